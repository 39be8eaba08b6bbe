"""Where a sparse file has data: its holes cost neither time nor space, whatever their size.

Only holes of a MiB or more count as such, and only if they make up 8 MiB: below that, an archive that every
tar reads in full is worth more than some kilobytes.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTOR: Final = 512
"""Bytes of a block as `stat` counts them."""
MIN_HOLE: Final = 1024 * 1024
"""Bytes; a shorter hole is read as zeros."""
MIN_HOLES: Final = 8 * MIN_HOLE
"""Bytes of holes from which they are left out."""


class Extent(NamedTuple):
    """Data between two holes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.offset + self.length


def find_extents(fd: int, status: os.stat_result) -> list[Extent] | None:
    """Return where an open file has data, None if its holes are not to be left out. Raises OSError."""
    size = status.st_size
    if size - status.st_blocks * SECTOR < MIN_HOLES:
        return None
    extents = list(_merged(_extents(fd, size)))
    return extents if size - sum(extent.length for extent in extents) >= MIN_HOLES else None


def _extents(fd: int, size: int) -> Iterator[Extent]:
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # no more data
        if start >= size:
            return
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield Extent(start, end - start)


def _merged(extents: Iterator[Extent]) -> Iterator[Extent]:
    waiting: Extent | None = None
    for extent in extents:
        if waiting is not None and extent.offset - waiting.end < MIN_HOLE:
            waiting = Extent(waiting.offset, extent.end - waiting.offset)
            continue
        if waiting is not None:
            yield waiting
        waiting = extent
    if waiting is not None:
        yield waiting
