"""Follows what a system has written: when which byte was to be seen by others."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.running import Running

SILENCE = 5.0  # seconds without a new byte after which the rest is not waited for


class Follower:
    """Looks at the size of the log every `apart` seconds, in a thread; a look costs some microseconds."""

    def __init__(self, run: Running, apart: float, on_growth: Callable[[int], None]) -> None:
        self.times: list[int] = []  # nanoseconds of time.monotonic at which it had become longer
        self.sizes: list[int] = []  # how long, bytes
        self._run = run
        self._apart = apart
        self._on_growth = on_growth
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def wait(self, size: int) -> int | None:
        """Give the time when so many bytes were to be seen; None if they do not come."""
        while not self.sizes or self.sizes[-1] < size:
            last = self.times[-1] if self.times else 0
            time.sleep(0.01)
            if self.times and last == self.times[-1] and time.monotonic_ns() - last > SILENCE * 1e9:
                return None
        return self.seen(size)

    def seen(self, offset: int) -> int:
        """Give the time when the log was first seen to be so long."""
        return self.times[bisect_left(self.sizes, offset)]

    def _follow(self) -> None:
        size = -1
        while not self._ended.is_set():
            now = self._run.written()
            if now != size:
                size = now
                self.times.append(time.monotonic_ns())
                self.sizes.append(size)
                self._on_growth(size)
            time.sleep(self._apart)
