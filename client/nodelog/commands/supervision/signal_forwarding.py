"""Passes signals on to the command and reaps processes, as the first process of a container must.

All signals are blocked and waited for, so that none is lost between two lines of code, and so that each comes
with its sender: what the terminal sends (Ctrl-C), it sends to the command, too. As process 1 the kernel
discards signals that it would otherwise end us with; blocked ones it keeps.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from nodelog.commands.supervision.child_process import exit_code_of_status

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN: Final = {
    signal.SIGKILL,
    signal.SIGSTOP,  # neither can be blocked
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGSYS,
    signal.SIGABRT,  # faults of our own
    signal.SIGPIPE,
    signal.SIGXFSZ,  # ignored by Python: a failed write says so
    signal.SIGTTIN,
    signal.SIGTTOU,  # we read no terminal; for a background job they mean what they always mean
}
"""Signals that are not passed on."""
HANDLED: Final = signal.valid_signals() - _OWN
_STOPS: Final = {signal.SIGTERM, signal.SIGINT}
_FROM_KERNEL: Final = 0x80  # SI_KERNEL: sent by a terminal, to all processes of its foreground


def block_signals() -> set[int]:
    """Block the signals, before any thread starts; return the mask that the command must get.

    They stay blocked: one that comes at the very end must not change the exit code.
    """
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # ignored, it would have children reaped without their status
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)}


class SignalForwarder:
    """Receives the signals of this process, in the main thread, and knows how the command ended."""

    def __init__(self, pid: int, on_message: Callable[[str], None]) -> None:
        self._pid = pid
        self._on_message = on_message
        self._exit_code: int | None = None
        self._stops = 0

    def wait_for_command(self) -> int:
        """Pass signals on until the command has ended; return its exit code, 128 + N after signal N."""
        while self._exit_code is None:
            self._handle(signal.sigwaitinfo(HANDLED))
        self._stops = min(self._stops, 1)  # these were for the command; one more ends our own waiting
        return self._exit_code

    @property
    def count(self) -> int:
        """The number of stop signals up to now; reap processes that have ended, too."""
        while info := signal.sigtimedwait(HANDLED, 0):
            self._handle(info)
        return self._stops

    def _handle(self, info: signal.struct_siginfo) -> None:
        number = info.si_signo
        if number == signal.SIGCHLD:
            self._reap()
            return
        self._stops += number in _STOPS
        # What a terminal sends reaches the command, too, except a hang-up: only the session's leader gets it.
        if info.si_code != _FROM_KERNEL or number == signal.SIGHUP:
            self._forward(number)
        elif number == signal.SIGTSTP:
            os.kill(
                os.getpid(), signal.SIGSTOP
            )  # the shell waits until all processes of the job have stopped

    def _forward(self, number: int) -> None:
        if self._exit_code is not None:  # another process may have its number by now
            return
        try:
            os.kill(self._pid, number)
        except OSError as error:  # it runs as another user
            self._on_message(f"cannot pass {_name(number)} on to the command: {error.strerror}")

    def _reap(self) -> None:
        """Take the status of every process that has ended, also of orphans that process 1 adopts."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._pid:
                self._exit_code = exit_code_of_status(status)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
