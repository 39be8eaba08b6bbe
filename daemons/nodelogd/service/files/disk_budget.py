"""Which finished files to remove to stay within a disk budget: a pure rule, without I/O or a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

KEPT_AT_ANY_AGE = 3  # newest files that are never removed for their age alone: clocks jump
MIN_FREE_BYTES = 12 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much to keep; None means no limit."""

    max_bytes: int | None = 10 * 1024**3  # of all files together
    max_files: int | None = None
    max_age: float | None = None  # seconds since the file was finished
    min_free_share: float | None = 0.15  # of the file system, to stay free
    min_free_bytes: int = (
        MIN_FREE_BYTES  # to stay free if a share is: the next file is written beside the old
    )
    min_free_inodes: int = 3  # to stay free if a share is: a rotation needs two, a compression one
    always_kept: int = 0  # newest files that are never removed


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedFile:
    """A finished file, its size in bytes and when it was finished (seconds since the epoch)."""

    path: Path
    size: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSpace:
    """The size of a file system and the space that is free for us, in bytes, and its free inodes."""

    size: int
    free: int
    free_inodes: int | None = None  # None where the file system does not count them


def files_to_remove(
    files: Iterable[FinishedFile], budget: Budget, disk: FreeSpace, now: float
) -> Iterator[tuple[FinishedFile, str]]:
    """Yield the files to remove, each with the option that demands it; `files` come oldest first."""
    files = list(files)
    size, count, free = sum(file.size for file in files), len(files), disk.free
    removable = files[: max(0, count - budget.always_kept)]
    min_free, missing_inodes = _min_free(budget, disk), _missing_inodes(budget, disk, len(removable))
    for file in removable:
        if free < min_free or missing_inodes > 0:
            reason = "keep-free"
        elif budget.max_bytes is not None and size > budget.max_bytes:
            reason = "keep-bytes"
        elif budget.max_files is not None and count > budget.max_files:
            reason = "keep-count"
        elif budget.max_age is not None and now - file.time > budget.max_age and count > KEPT_AT_ANY_AGE:
            reason = "keep-age"
        else:
            return
        yield file, reason
        size, count, free = size - file.size, count - 1, free + file.size
        missing_inodes -= 1


def _missing_inodes(budget: Budget, disk: FreeSpace, removable: int) -> int:
    """Return how many files to remove for their inodes: none if all of them together would not be enough."""
    if not budget.min_free_share or disk.free_inodes is None:
        return 0
    missing = budget.min_free_inodes - disk.free_inodes
    return missing if missing <= removable else 0


def _min_free(budget: Budget, disk: FreeSpace) -> float:
    """Return how many bytes to keep free.

    On a small file system the share may be less than the next file needs, so `min_free_bytes` applies as
    well, but never more of it than half the file system.
    """
    if not budget.min_free_share:
        return 0
    return max(budget.min_free_share * disk.size, min(budget.min_free_bytes, disk.size / 2))
