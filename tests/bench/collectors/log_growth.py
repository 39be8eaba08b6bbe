"""Record when each byte of a log became visible to readers."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.collectors.collector_process import CollectorProcess

SILENCE = 5.0  # seconds without a new byte after which to stop waiting for the rest


class LogGrowth:
    """Polls the size of the log every `interval` seconds in a thread; a poll costs a few microseconds."""

    def __init__(self, run: CollectorProcess, interval: float, on_growth: Callable[[int], None]) -> None:
        self.times: list[int] = []  # when the log had grown, time.monotonic_ns
        self.sizes: list[int] = []  # bytes of the log then
        self._run = run
        self._interval = interval
        self._on_growth = on_growth
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> Self:
        """Start polling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop polling."""
        self._ended.set()
        self._thread.join()

    def wait(self, size: int) -> int | None:
        """Wait for `size` bytes; return when they became visible, or None if they do not arrive."""
        while not self.sizes or self.sizes[-1] < size:
            last = self.times[-1] if self.times else 0
            time.sleep(0.01)
            if self.times and last == self.times[-1] and time.monotonic_ns() - last > SILENCE * 1e9:
                return None
        return self.visible_at(size)

    def visible_at(self, size: int) -> int:
        """Return when the log was first seen to have `size` bytes."""
        return self.times[bisect_left(self.sizes, size)]

    def _poll(self) -> None:
        size = -1
        while not self._ended.is_set():
            now = self._run.written()
            if now != size:
                size = now
                self.times.append(time.monotonic_ns())
                self.sizes.append(size)
                self._on_growth(size)
            time.sleep(self._interval)
