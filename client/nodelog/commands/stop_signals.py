"""SIGTERM and SIGINT: the first one ends the work in order, the second one ends it at once.

The handlers raise nothing: an exception at an arbitrary point would be no way to end a program that must not
lose a line. Therefore every wait in these commands also watches for signals.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
POLL_SECONDS: Final = 0.1
"""Seconds between two checks for signals in waits that a signal cannot interrupt."""


class StopSignals:
    """The signals so far; its file descriptor, for poll(), is readable from the first one on."""

    def __init__(self, wakeup: socket.socket) -> None:
        self.count = 0
        """Number of signals."""
        self._wakeup = wakeup

    def fileno(self) -> int:
        """Return the file descriptor that becomes readable with the first signal and stays so."""
        return self._wakeup.fileno()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True as soon as there was a signal."""
        return bool(select.select([self], [], [], max(0.0, seconds))[0])

    def handle(self, *_: object) -> None:
        """Count a signal; this is the signal handler."""
        self.count += 1


class SignalCount(Protocol):
    """Something that counts stop signals."""

    @property
    def count(self) -> int:
        """The number of stop signals so far."""


class ShutdownDeadline:
    """How long to wait at the end: `timeout` seconds after `start` or the first signal.

    With a timeout of None there is no limit. The second signal ends every wait at once.
    """

    def __init__(self, stop: SignalCount, timeout: float | None) -> None:
        self._stop = stop
        self._timeout = float("inf") if timeout is None else timeout
        self._end: float | None = None

    @property
    def has_passed(self) -> bool:
        """Whether to wait no longer."""
        if self._stop.count and self._end is None:
            self.start()
        return self._stop.count > 1 or (self._end is not None and time.monotonic() >= self._end)

    def start(self) -> None:
        """Start the timeout, because the input has ended. Later calls do nothing."""
        if self._end is None:
            self._end = time.monotonic() + self._timeout

    def wait(self, remaining: Callable[[float], int]) -> int:
        """Call `remaining` until it returns 0 or the deadline has passed; return its last result.

        `remaining` waits up to the seconds that it is given, and returns how much remains.
        """
        while (left := remaining(POLL_SECONDS)) and not self.has_passed:
            pass
        return left


@contextmanager
def handle_stop_signals() -> Generator[StopSignals]:
    """Handle SIGTERM and SIGINT while the block runs. For the main thread only."""
    wakeup, sender = socket.socketpair()
    sender.setblocking(False)
    stop = StopSignals(wakeup)
    old = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, stop.handle) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old)
        wakeup.close()
        sender.close()
