"""Limits on what is archived: anyone who may write in the directory could otherwise fill the disk.

What a limit leaves out is always named. Holes count for nothing, as they cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.format.signatures import row_size
from nodelogd.compressor.scan.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """Limits in bytes; None for none."""

    file: int | None = None
    """A larger file is left out."""
    total: int | None = None
    """Of all files together; the largest are left out until the rest fits."""


_INODE: Final = 16
"""Bytes of a row that tell a file from any other: its device and inode."""
UNLIMITED: Final = SizeLimits()


@dataclass(slots=True)
class Found:
    """The files that a walk has found, in any order."""

    names: list[bytes] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    """Numbers of files that may have several names."""
    allocated: dict[bytes, int] = field(default_factory=dict)
    """Bytes on the disk of files with holes."""

    def size(self, number: int) -> int:
        """Return how many bytes of a file would be archived."""
        size = row_size(self.rows[number], 0)
        return min(size, self.allocated.get(self.names[number], size)) if self.allocated else size

    def listing(self) -> Listing:
        """Return the files sorted by name."""
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        rows, names = self.rows, self.names
        shared = []
        if self.shared:
            is_shared = set(self.shared)
            shared = [at for at, number in enumerate(order) if number in is_shared]
        return Listing(
            [names[number] for number in order], b"".join(rows[number] for number in order), shared
        )


def apply_limits(found: Found, limits: SizeLimits, on_left_out: Callable[[bytes, str], None]) -> Found:
    """Return the files within the limits; call `on_left_out` with name and reason for each of the others."""
    if limits == UNLIMITED:
        return found
    left_out = {}
    sizes = _sizes(found)
    if limits.file is not None:
        for number in range(len(found.names)):
            if (size := found.size(number)) > limits.file:
                left_out[number] = f"has {size} bytes, --max-file allows {limits.file}"
    if limits.total is not None:
        rest = {number: size for number, size in sizes.items() if number not in left_out}
        left_out |= _exceeding(rest, limits.total)
    for number, why in left_out.items():
        on_left_out(found.names[number], why)
    return _without(found, left_out.keys()) if left_out else found


def _sizes(found: Found) -> dict[int, int]:
    """Return the size of each file by its number; further names of a file have none."""
    sizes, seen, shared = {}, set(), set(found.shared)
    for number, row in enumerate(found.rows):
        inode = row[:_INODE]
        sizes[number] = 0 if inode in seen else found.size(number)
        if number in shared:
            seen.add(inode)
    return sizes


def _exceeding(sizes: dict[int, int], limit: int) -> dict[int, str]:
    """Return the largest files that have to go, with the reason."""
    left_out = {}
    excess = sum(sizes.values()) - limit
    for number in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if excess <= 0:
            break
        excess -= sizes[number]
        left_out[number] = f"has {sizes[number]} bytes, and --max-total allows {limit} for all files together"
    return left_out


def _without(found: Found, left_out: Collection[int]) -> Found:
    kept = [number for number in range(len(found.names)) if number not in left_out]
    is_shared = set(found.shared)
    return Found(
        [found.names[number] for number in kept],
        [found.rows[number] for number in kept],
        [at for at, number in enumerate(kept) if number in is_shared],
        found.allocated,
    )
