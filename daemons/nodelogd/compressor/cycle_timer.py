"""The thread of the cycles: the first one at once, then one every so often, never two at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def until_next(started: float, now: float, every: float) -> float:
    """Give the seconds from now to the next start; after what took longer than `every` it is now."""
    return max(0.0, started + every - now)


class Worker:
    """Calls `job` again and again in a thread of its own.

    The thread is a daemon: what hangs in the kernel, on a disk that does not answer, keeps no process alive.
    """

    def __init__(self, job: Callable[[], object], every: float) -> None:
        """Prepare; `start` begins."""
        self._job = job
        self._every = every
        self._ended = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cycles", daemon=True)

    def start(self) -> None:
        """Begin with the first."""
        self._thread.start()

    def wake(self) -> None:
        """Do not wait for the next one; from any thread."""
        self._news.set()

    def is_stopping(self) -> bool:
        """Say whether the job is to stop at once."""
        return self._ended.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait within the job; say whether it is to go on."""
        return not self._ended.wait(seconds)

    def close(self, timeout: float) -> bool:
        """Stop; say whether the thread has ended within so many seconds."""
        self._ended.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.clear()
            started = time.monotonic()
            self._job()
            self._news.wait(until_next(started, time.monotonic(), self._every))
