"""Memory that the host of a virtual machine has already backed, released as a run fills the page cache.

On a virtual machine, freed memory may go back to the host within a second, and the first touch of a page then
costs as much as writing it. So a run that fills the page cache after another run's file was removed can look
two to four times as slow or as fast as it is. Each run therefore starts with as much memory held as it will
fill, in huge pages, and releases it a little ahead of the file's growth.
"""

from __future__ import annotations

from mmap import MADV_DONTNEED, MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Self

HUGE = 2 * 1024**2
AHEAD = 256 * 1024**2  # bytes released before the file needs them


class WarmMemory:
    """`size` + AHEAD bytes of touched memory."""

    def __init__(self, size: int) -> None:
        """Touch all of it, which takes a second or two per gigabyte."""
        self._size = (size + AHEAD) // HUGE * HUGE
        self._memory = mmap(-1, self._size, MAP_PRIVATE | MAP_ANONYMOUS)
        self._memory.madvise(MADV_HUGEPAGE)
        for start in range(0, self._size, 4096):
            self._memory[start] = 1
        self._freed = 0
        self.free(0)

    def free(self, grown: int) -> None:
        """Release what a file of `grown` bytes has taken, and the AHEAD bytes that it takes next."""
        end = min(self._size, (grown + AHEAD) // HUGE * HUGE)
        if end > self._freed:
            self._memory.madvise(MADV_DONTNEED, self._freed, end - self._freed)
            self._freed = end

    def __enter__(self) -> Self:
        """Return the memory, already touched."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the rest."""
        self._memory.close()
