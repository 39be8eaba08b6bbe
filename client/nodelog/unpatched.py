"""Threads, locks and `poll` of the standard library, also in a program that gevent or eventlet has patched.

These replace the standard library's functions by cooperative ones, before or after nodelog is imported, and
often only after a fork. A shipper is a real thread in every case: its disk or its collector cannot stop the
program's event loop, and a busy loop cannot stop it. So it may share only unpatched things with the program.
The program's own waiting is cooperative: it sleeps with what `time.sleep` is, so that others run.

Sockets are made with `_socket`, and `os` is used for files only: nobody patches these.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

_SIGNALS_OF_FAULTS: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
_POLL_SECONDS: Final = 0.005  # of a greenlet that waits


def _original(module: str, name: str) -> Any:  # noqa: ANN401 (whatever it is)
    """Return what the standard library calls `module.name`."""
    if gevent := sys.modules.get("gevent.monkey"):
        return gevent.get_original(module, name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet and eventlet.is_monkey_patched(module.removeprefix("_")):
        return getattr(eventlet.original(module), name)
    return getattr(import_module(module), name)


# Once, at import: what is unpatched now stays so.
start_new_thread: Final[Callable[[Callable[[], None], tuple[()]], int]] = _original(
    "_thread", "start_new_thread"
)
allocate_lock: Final[Callable[[], _thread.LockType]] = _original("_thread", "allocate_lock")
new_rlock: Final[Callable[[], _thread.RLock]] = _original("_thread", "RLock")
poll: Final[Callable[[], select.poll]] = _original("select", "poll")
getaddrinfo: Final[Callable[..., list[tuple[Any, ...]]]] = _original("socket", "getaddrinfo")
sleep: Final[Callable[[float], None]] = _original("time", "sleep")


def is_patched() -> bool:
    """Return whether the program's threads are greenlets now."""
    return _thread.start_new_thread is not start_new_thread


def block_signals() -> None:
    """Have the calling thread get no signals, except those of a fault of its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _SIGNALS_OF_FAULTS)


def start_thread(run: Callable[[], None], name: str) -> None:
    """Start a real thread that does not keep the program from ending. Raises RuntimeError if it cannot.

    It gets no signals: a program that blocks one in its own threads and waits for it would be killed by it.
    """

    def run_without_signals() -> None:
        block_signals()
        run()

    if is_patched():
        start_new_thread(run_without_signals, ())
    else:
        threading.Thread(target=run_without_signals, name=name, daemon=True).start()


class Condition:
    """As `threading.Condition`, for real threads and greenlets."""

    __slots__ = ("_lock", "_waiters")

    def __init__(self, lock: _thread.RLock) -> None:
        self._lock: Any = lock
        self._waiters: list[_thread.LockType] = []

    def notify_all(self) -> None:
        """Wake all who wait. The caller holds the lock."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.release()

    def wait_for(self, is_true: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until `is_true()`, at most `timeout` seconds; return what it is. The caller holds the lock."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while not (is_it := is_true()) and (left := end - time.monotonic()) > 0:
            self._wait(left)
        return is_it

    def _wait(self, seconds: float) -> None:
        """Release the lock, wait at most `seconds` for `notify_all`, and acquire it again."""
        waiter = allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        held = self._lock._release_save()  # noqa: SLF001 (however often it is held, as threading.Condition does)
        try:
            if is_patched():
                time.sleep(min(seconds, _POLL_SECONDS))
            else:
                waiter.acquire(timeout=min(seconds, _thread.TIMEOUT_MAX))
        finally:
            self._lock._acquire_restore(held)  # noqa: SLF001
            if waiter in self._waiters:
                self._waiters.remove(waiter)


class Locked:
    """A base class with a reentrant lock, and a condition to wait for changes of what it protects."""

    # Slots, since eventlet replaces each reentrant lock that it finds in the dictionary of an object.
    __slots__ = ("_changed", "_lock")

    def __init__(self) -> None:
        self._lock = new_rlock()
        self._changed = Condition(self._lock)
