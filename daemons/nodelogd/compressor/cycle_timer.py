"""The thread that runs the cycles: the first one at once, then one per interval, never two at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def seconds_until_next(started: float, now: float, interval: float) -> float:
    """Return the seconds from now to the next start; 0 if a cycle took longer than `interval`."""
    return max(0.0, started + interval - now)


class CycleTimer:
    """Calls `run_cycle` every `interval` seconds in a thread of its own.

    The thread is a daemon thread: a call that hangs in the kernel, on a disk that does not answer, does not
    keep the process alive.
    """

    def __init__(self, run_cycle: Callable[[], object], interval: float) -> None:
        """Prepare the thread; `start` starts it."""
        self._run_cycle = run_cycle
        self._interval = interval
        self._closed = threading.Event()
        self._wakeup = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cycles", daemon=True)

    def start(self) -> None:
        """Start the thread, which starts with a cycle."""
        self._thread.start()

    def wake(self) -> None:
        """Start the next cycle without waiting for the interval to end. Thread-safe."""
        self._wakeup.set()

    def is_stopping(self) -> bool:
        """Return whether the running cycle is to stop at once."""
        return self._closed.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait within a cycle; return whether the cycle may continue."""
        return not self._closed.wait(seconds)

    def close(self, timeout: float) -> bool:
        """Stop; return whether the thread has ended within `timeout` seconds."""
        self._closed.set()
        self._wakeup.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wakeup.clear()
            started = time.monotonic()
            self._run_cycle()
            self._wakeup.wait(seconds_until_next(started, time.monotonic(), self._interval))
