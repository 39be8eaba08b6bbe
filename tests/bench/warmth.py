"""Memory that the host of a virtual machine has already found, let go of as a run needs it.

On a virtual machine freed memory may go back to the host within a second, and the first touch of a page then
costs as much as writing it. So whoever fills the page cache second, after somebody's file was removed, looks
two to four times as slow or as fast as it is. A run therefore begins with as much memory held as it will
fill, in huge pages, and lets go of it a little ahead of the file's growth.
"""

from __future__ import annotations

from mmap import MADV_DONTNEED, MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Self

HUGE = 2 * 1024**2
AHEAD = 256 * 1024**2  # bytes that are free before they are needed


class Warmth:
    """`size` bytes of touched memory, and as much again as is AHEAD."""

    def __init__(self, size: int) -> None:
        """Touch it all; takes a second per gigabyte or two."""
        self._size = (size + AHEAD) // HUGE * HUGE
        self._memory = mmap(-1, self._size, MAP_PRIVATE | MAP_ANONYMOUS)
        self._memory.madvise(MADV_HUGEPAGE)
        for start in range(0, self._size, 4096):
            self._memory[start] = 1
        self._freed = 0
        self.free(0)

    def free(self, grown: int) -> None:
        """Let go of what a file that has grown to so many bytes has taken, and of what it takes next."""
        until = min(self._size, (grown + AHEAD) // HUGE * HUGE)
        if until > self._freed:
            self._memory.madvise(MADV_DONTNEED, self._freed, until - self._freed)
            self._freed = until

    def __enter__(self) -> Self:
        """Return it; it is warm already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the rest."""
        self._memory.close()
