"""How full the watched file systems are, how fast they fill up, and when they will be full."""

from __future__ import annotations

import asyncio
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodeagent.checks.forecast import Sample, UsageTrend, time_to_full

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems

TIMEOUT: Final = 10.0  # seconds for the kernel to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemUsage:
    """The size of a file system, and what is left on it to users other than root. Sizes in bytes."""

    size: int
    free: int
    used: int
    inodes: int  # 0: not limited
    inodes_free: int
    inodes_used: int

    @classmethod
    def read(cls, path: Path) -> FileSystemUsage:
        """Ask the kernel. Raises OSError."""
        found = os.statvfs(path)
        return cls(
            size=found.f_blocks * found.f_frsize,
            free=found.f_bavail * found.f_frsize,
            used=(found.f_blocks - found.f_bfree) * found.f_frsize,
            inodes=found.f_files,
            inodes_free=found.f_favail,
            inodes_used=found.f_files - found.f_ffree,
        )

    @property
    def has_inode_limit(self) -> bool:
        """Whether inodes are limited."""
        return self.inodes > 0

    @property
    def is_out_of_inodes(self) -> bool:
        """Whether inodes are limited and none is left."""
        return self.has_inode_limit and self.inodes_free <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemForecast:
    """How fast a file system fills up, per second, and in how many seconds it is full; infinite: never."""

    bytes_growth: float
    bytes_full_in: float
    inodes_growth: float
    inodes_full_in: float

    @property
    def full_in(self) -> float:
        """Seconds until bytes or inodes run out, whichever comes first."""
        return min(self.bytes_full_in, self.inodes_full_in)


class FileSystemTrend:
    """How the bytes and inodes in use grow within a window (seconds)."""

    def __init__(self, window: float) -> None:
        self._bytes = UsageTrend(window)
        self._inodes = UsageTrend(window)

    def add(self, now: float, usage: FileSystemUsage) -> FileSystemForecast:
        """Add the usage at a time (seconds); return the forecast."""
        self._bytes.add(Sample(now, usage.used))
        self._inodes.add(Sample(now, usage.inodes_used))
        inodes_growth = self._inodes.growth if usage.has_inode_limit else 0.0
        return FileSystemForecast(
            bytes_growth=self._bytes.growth,
            bytes_full_in=time_to_full(usage.free, self._bytes.growth) if usage.free > 0 else 0.0,
            inodes_growth=inodes_growth,
            inodes_full_in=(
                0.0 if usage.is_out_of_inodes else time_to_full(usage.inodes_free, inodes_growth)
            ),
        )


class DiskSpace:
    """Checks the file systems of `paths`; one that will be full in `soon` seconds is a problem."""

    name = "disk"

    def __init__(
        self, paths: Iterable[Path], window: float, soon: float, metrics: Metrics, problems: Problems
    ) -> None:
        self._trends = {path: FileSystemTrend(window) for path in paths}
        self._soon = soon
        self._metrics = metrics
        self._problems = problems
        self._status: dict[str, object] = {}
        self._reading: dict[Path, asyncio.Task[FileSystemUsage]] = {}

    async def run(self) -> bool:
        """Check each file system; return whether all could be read and none will be full soon."""
        return all([await self._check(path) for path in self._trends])

    def status(self) -> dict[str, object]:
        """Return what `/status` shows."""
        return self._status

    async def _check(self, path: Path) -> bool:
        try:
            usage = await self._read(path)
        except OSError as error:
            why = error.strerror or f"no answer for {TIMEOUT:g} s"
            self._status[str(path)] = {"error": why}
            return self._report(path, f"cannot read the state of the file system of {path}: {why}")
        forecast = self._trends[path].add(time.monotonic(), usage)
        self._record(path, usage, forecast)
        return self._report(path, problem(path, usage, forecast, self._soon))

    async def _read(self, path: Path) -> FileSystemUsage:
        """Read in a thread, one per path at most: on a file system that hangs, the call never returns."""
        if path not in self._reading:
            self._reading[path] = asyncio.create_task(asyncio.to_thread(FileSystemUsage.read, path))
        reading = self._reading[path]
        try:
            return await asyncio.wait_for(asyncio.shield(reading), TIMEOUT)
        finally:
            if reading.done():
                del self._reading[path]

    def _record(self, path: Path, usage: FileSystemUsage, forecast: FileSystemForecast) -> None:
        m, label = self._metrics, str(path)
        m.disk_size.labels(label).set(usage.size)
        m.disk_free.labels(label).set(usage.free)
        m.disk_growth.labels(label).set(forecast.bytes_growth)
        m.disk_inodes.labels(label).set(usage.inodes)
        m.disk_inodes_free.labels(label).set(usage.inodes_free)
        m.disk_inodes_growth.labels(label).set(forecast.inodes_growth)
        m.disk_full.labels(label).set(forecast.full_in)
        self._status[label] = {
            "size_bytes": usage.size,
            "free_bytes": usage.free,
            "growth_bytes_per_second": round(forecast.bytes_growth, 1),
            "bytes_full_in_seconds": _json_seconds(forecast.bytes_full_in),
            "inodes": usage.inodes,
            "inodes_free": usage.inodes_free,
            "growth_inodes_per_second": round(forecast.inodes_growth, 1),
            "inodes_full_in_seconds": _json_seconds(forecast.inodes_full_in),
        }

    def _report(self, path: Path, text: str) -> bool:
        return self._problems.report(f"disk {path}", text)


def problem(path: Path, usage: FileSystemUsage, forecast: FileSystemForecast, soon: float) -> str:
    """Describe what is wrong with a file system, or return an empty text; `soon` is in seconds."""
    if usage.free <= 0:
        return f"the file system of {path} is full"
    if usage.is_out_of_inodes:
        return f"the file system of {path} has no inode left"
    if forecast.full_in >= soon:
        return ""
    what = "be full" if forecast.bytes_full_in <= forecast.inodes_full_in else "have no inode left"
    return f"the file system of {path} will {what} in {forecast.full_in / 3600:.1f} h if growth continues"


def _json_seconds(seconds: float) -> int | None:
    return None if math.isinf(seconds) else round(seconds)
