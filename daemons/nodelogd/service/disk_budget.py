"""What is removed to make room: a pure rule over what there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NEWEST = 3  # files that age alone never removes: clocks jump
ROOM = 12 * 1024**2  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be kept; None for no limit."""

    size: int | None = 10 * 1024**3  # bytes in all
    count: int | None = None  # files
    age: float | None = None  # seconds since the file was finished
    free: float | None = 0.15  # share of the file system that is to stay free
    room: int = ROOM  # bytes to be free where some share is: what is made next has to fit in beside the old
    least: int = 0  # files, the newest, that nothing removes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A finished file, its size in bytes and when it was finished (seconds since the epoch)."""

    path: Path
    size: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system, in bytes: what there is, what is free to us."""

    size: int
    free: int


def to_remove(files: Iterable[Kept], budget: Budget, disk: Disk, now: float) -> Iterator[tuple[Kept, str]]:
    """Choose from `files`, the oldest first, what has to go, each with the option that says so."""
    files = list(files)
    size, count, free = sum(file.size for file in files), len(files), disk.free
    # A share of a very small file system may be less than going on takes; half of it has to do for that.
    wanted = max(budget.free * disk.size, min(budget.room, disk.size / 2)) if budget.free else 0
    for file in files[: max(0, count - budget.least)]:
        if free < wanted:
            reason = "keep-free"
        elif budget.size is not None and size > budget.size:
            reason = "keep-bytes"
        elif budget.count is not None and count > budget.count:
            reason = "keep-count"
        elif budget.age is not None and now - file.time > budget.age and count > NEWEST:
            reason = "keep-age"
        else:
            return
        yield file, reason
        size, count, free = size - file.size, count - 1, free + file.size
