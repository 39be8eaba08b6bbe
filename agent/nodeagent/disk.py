"""How full the watched file systems are, how fast they fill, and when they will be full."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nodeagent.findings import Findings
    from nodeagent.metrics import Metrics

SAMPLES: Final = 120
"""As many within a window are enough."""
LEAST: Final = 12
"""This part of the window must have been seen before anything is said about growth."""
PATIENCE: Final = 10.0  # seconds for the kernel to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A file system: what there is, and what is left to those who are not root. Sizes in bytes."""

    size: int
    free: int
    used: int
    inodes: int
    inodes_free: int

    @classmethod
    def at(cls, path: Path) -> Space:
        """Ask the kernel. Raises OSError."""
        found = os.statvfs(path)
        return cls(
            size=found.f_blocks * found.f_frsize,
            free=found.f_bavail * found.f_frsize,
            used=(found.f_blocks - found.f_bfree) * found.f_frsize,
            inodes=found.f_files,
            inodes_free=found.f_favail,
        )

    @property
    def is_full(self) -> bool:
        """Whether nothing more goes into it: no byte is left, or no inode where they are counted."""
        return self.free <= 0 or bool(self.inodes and self.inodes_free <= 0)


@dataclass(frozen=True, slots=True)
class Sample:
    """How many bytes were used at a time (seconds)."""

    time: float
    used: int


def growth(samples: Sequence[Sample], least: float) -> float:
    """Give bytes per second, by least squares; 0 while the samples span less than `least` seconds.

    A straight line through all of them: a rotation that frees space at once is one step among many.
    """
    if len(samples) < 3 or samples[-1].time - samples[0].time < least:  # noqa: PLR2004 (two make any line)
        return 0.0
    middle = sum(sample.time for sample in samples) / len(samples)
    mean = sum(sample.used for sample in samples) / len(samples)
    spread = sum((sample.time - middle) ** 2 for sample in samples)
    return sum((sample.time - middle) * (sample.used - mean) for sample in samples) / spread


def time_to_full(free: int, growing: float) -> float:
    """Give the seconds until nothing is free; infinite if it does not grow."""
    return free / growing if growing > 0 else math.inf


class Trend:
    """The samples of a window, no more of them than are of use."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take a sample, unless the last one is very young; forget those that are older than the window."""
        if self._samples and sample.time - self._samples[-1].time < self._window / SAMPLES:
            return
        self._samples.append(sample)
        while sample.time - self._samples[0].time > self._window:
            self._samples.popleft()

    @property
    def growth(self) -> float:
        """Bytes per second."""
        return growth(self._samples, self._window / LEAST)


class Disks:
    """Looks at file systems."""

    name = "disk"

    def __init__(
        self, paths: Iterable[Path], window: float, soon: float, metrics: Metrics, findings: Findings
    ) -> None:
        self._trends = {path: Trend(window) for path in paths}
        self._soon = soon
        self._metrics = metrics
        self._findings = findings
        self._status: dict[str, object] = {}
        self._asking: dict[Path, asyncio.Task[Space]] = {}

    async def look(self) -> bool:
        """Look at each; tell whether all could be looked at, and none is full soon."""
        return all([await self._look(path) for path in self._trends])

    def status(self) -> dict[str, object]:
        """Give what `/status` shows."""
        return self._status

    async def _look(self, path: Path) -> bool:
        try:
            space = await self._ask(path)
        except OSError as error:
            why = error.strerror or f"no answer for {PATIENCE:g} s"
            self._status[str(path)] = {"error": why}
            return self._tell(path, f"cannot look at the file system of {path}: {why}")
        trend = self._trends[path]
        trend.add(Sample(time.monotonic(), space.used))
        left = 0.0 if space.is_full else time_to_full(space.free, trend.growth)
        self._show(path, space, trend.growth, left)
        return self._tell(path, trouble(path, space, left, self._soon))

    async def _ask(self, path: Path) -> Space:
        """Ask in a thread, and only one: on a file system that hangs it never comes back."""
        if path not in self._asking:
            self._asking[path] = asyncio.create_task(asyncio.to_thread(Space.at, path))
        asking = self._asking[path]
        try:
            return await asyncio.wait_for(asyncio.shield(asking), PATIENCE)
        finally:
            if asking.done():
                del self._asking[path]

    def _show(self, path: Path, space: Space, growing: float, left: float) -> None:
        m, label = self._metrics, str(path)
        m.disk_size.labels(label).set(space.size)
        m.disk_free.labels(label).set(space.free)
        m.disk_inodes.labels(label).set(space.inodes)
        m.disk_inodes_free.labels(label).set(space.inodes_free)
        m.disk_growth.labels(label).set(growing)
        m.disk_full.labels(label).set(left)
        self._status[label] = {
            "size_bytes": space.size,
            "free_bytes": space.free,
            "inodes": space.inodes,
            "inodes_free": space.inodes_free,
            "growth_bytes_per_second": round(growing, 1),
            "full_in_seconds": None if math.isinf(left) else round(left),
        }

    def _tell(self, path: Path, what: str) -> bool:
        return self._findings.tell(f"disk {path}", what)


def trouble(path: Path, space: Space, left: float, soon: float) -> str:
    """Say what is wrong with a file system, if anything is; `soon` is in seconds."""
    if space.free <= 0:
        return f"the file system of {path} is full"
    if space.inodes and space.inodes_free <= 0:
        return f"the file system of {path} has no inode left"
    if left < soon:
        return f"the file system of {path} will be full in {left / 3600:.1f} h if it grows on like this"
    return ""
