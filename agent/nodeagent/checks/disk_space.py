"""How full the watched file systems are, how fast they fill, and when they will be full."""

from __future__ import annotations

import asyncio
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodeagent.checks.forecast import Sample, Trend, time_to_full

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics

PATIENCE: Final = 10.0  # seconds for the kernel to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A file system: what there is, and what is left to those who are not root. Sizes in bytes."""

    size: int
    free: int
    used: int
    inodes: int  # 0: they are not limited
    inodes_free: int
    inodes_used: int

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
            inodes_used=found.f_files - found.f_ffree,
        )

    @property
    def has_inodes(self) -> bool:
        """Whether inodes are limited."""
        return self.inodes > 0

    @property
    def lacks_inodes(self) -> bool:
        """Whether no inode is left, where they are limited."""
        return self.has_inodes and self.inodes_free <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How fast a file system fills, per second, and in how many seconds nothing is left; infinite: never."""

    bytes_growth: float
    bytes_full: float
    inodes_growth: float
    inodes_full: float

    @property
    def full(self) -> float:
        """Seconds until nothing more goes into it, for whichever reason comes first."""
        return min(self.bytes_full, self.inodes_full)


class Trends:
    """How bytes and inodes of a file system become fewer, over a window (seconds)."""

    def __init__(self, window: float) -> None:
        self._bytes = Trend(window)
        self._inodes = Trend(window)

    def add(self, now: float, space: Space) -> Outlook:
        """Take what was seen at a time (seconds); give what is to be expected."""
        self._bytes.add(Sample(now, space.used))
        self._inodes.add(Sample(now, space.inodes_used))
        inodes = self._inodes.growth if space.has_inodes else 0.0
        return Outlook(
            bytes_growth=self._bytes.growth,
            bytes_full=time_to_full(space.free, self._bytes.growth) if space.free > 0 else 0.0,
            inodes_growth=inodes,
            inodes_full=0.0 if space.lacks_inodes else time_to_full(space.inodes_free, inodes),
        )


class Disks:
    """Looks at file systems."""

    name = "disk"

    def __init__(
        self, paths: Iterable[Path], window: float, soon: float, metrics: Metrics, findings: Findings
    ) -> None:
        self._trends = {path: Trends(window) for path in paths}
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
        outlook = self._trends[path].add(time.monotonic(), space)
        self._show(path, space, outlook)
        return self._tell(path, trouble(path, space, outlook, self._soon))

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

    def _show(self, path: Path, space: Space, outlook: Outlook) -> None:
        m, label = self._metrics, str(path)
        m.disk_size.labels(label).set(space.size)
        m.disk_free.labels(label).set(space.free)
        m.disk_growth.labels(label).set(outlook.bytes_growth)
        m.disk_inodes.labels(label).set(space.inodes)
        m.disk_inodes_free.labels(label).set(space.inodes_free)
        m.disk_inodes_growth.labels(label).set(outlook.inodes_growth)
        m.disk_full.labels(label).set(outlook.full)
        self._status[label] = {
            "size_bytes": space.size,
            "free_bytes": space.free,
            "growth_bytes_per_second": round(outlook.bytes_growth, 1),
            "bytes_full_in_seconds": _shown(outlook.bytes_full),
            "inodes": space.inodes,
            "inodes_free": space.inodes_free,
            "growth_inodes_per_second": round(outlook.inodes_growth, 1),
            "inodes_full_in_seconds": _shown(outlook.inodes_full),
        }

    def _tell(self, path: Path, what: str) -> bool:
        return self._findings.tell(f"disk {path}", what)


def trouble(path: Path, space: Space, outlook: Outlook, soon: float) -> str:
    """Say what is wrong with a file system, if anything is; `soon` is in seconds."""
    if space.free <= 0:
        return f"the file system of {path} is full"
    if space.lacks_inodes:
        return f"the file system of {path} has no inode left"
    if outlook.full >= soon:
        return ""
    what = "be full" if outlook.bytes_full <= outlook.inodes_full else "have no inode left"
    return f"the file system of {path} will {what} in {outlook.full / 3600:.1f} h if it grows on like this"


def _shown(seconds: float) -> int | None:
    return None if math.isinf(seconds) else round(seconds)
