"""Arenas: the buffers that lines are received into and written from, without a copy in between.

There are two. The event loop fills one while the writer thread writes the other, so a slow disk never stalls
the loop and memory is bounded: when both are in use, reading waits. An arena of 1 MiB stays in the second
level cache; one of 4 MiB costs 1.6 CPU-seconds more per GB.

Arenas whose acks wait for a sync are kept until that sync succeeds: after a failed sync they are written
again. The pool then lends a few more arenas, so that one sync, which takes as long as many writes, covers
many batches.
"""

from __future__ import annotations

from collections.abc import Hashable
from mmap import MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Receipts: TypeAlias = dict[Hashable, int]
"""Acks owed, by owner: the connection that gets them. The pipeline returns owners and never looks inside."""

ARENA_SIZE = 1024 * 1024  # bytes; an arena that holds this much is full
MAX_ACKS = 16 * 1024  # an arena that owes this many is full
# Bytes between the start of a page and an arena: 1.0 CPU-s/GB was measured from 0, 0.67 from here. The kernel
# copies between pages and the arena, and addresses that are equal in their last twelve bits seem to collide.
SKEW = 2048 + 64


class Arena:
    """Whole lines in `view[:end]`, and the acks that are owed once they are stored.

    Beyond ARENA_SIZE there is headroom for one more read, or one more long line.
    """

    __slots__ = ("_acks", "_data", "end", "fence", "last_blocks", "limit", "receipts", "view")

    def __init__(self, headroom: int) -> None:
        """Hold up to ARENA_SIZE bytes, plus `headroom` bytes that a single addition may take."""
        # Not a bytearray: that would write its zeros, and an idle collector would hold pages it never used.
        self._data = mmap(-1, SKEW + ARENA_SIZE + headroom, MAP_PRIVATE | MAP_ANONYMOUS)
        self._data.madvise(MADV_NOHUGEPAGE)
        self.view = memoryview(self._data)[SKEW:]
        self.clear()

    def clear(self) -> None:
        """Empty the arena."""
        self.end = 0
        self.limit = ARENA_SIZE  # bytes; from here on the arena is full
        self._acks = 0
        self.last_blocks: dict[bytes, int] = {}  # number of the last block in this arena, by stream
        self.receipts: Receipts = {}  # acks owed per owner once this arena is stored
        self.fence = False  # a client asks what is durable: sync this batch unless syncs are off

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to write and nothing to ack."""
        return not self.end and not self.receipts

    @property
    def is_full(self) -> bool:
        """True if the arena must be written before anything is added."""
        return self.end >= self.limit

    def add_acks(self, owner: Hashable, count: int) -> None:
        """Owe `count` more acks once this arena is stored. MAX_ACKS of them fill it, even without a byte."""
        self.receipts[owner] = self.receipts.get(owner, 0) + count
        self._acks += count
        if self._acks >= MAX_ACKS:
            self.limit = 0

    def last_line_end(self, start: int, stop: int) -> int:
        """Return the offset just after the last LF in `view[start:stop]`, or 0."""
        found = self._data.rfind(b"\n", start + SKEW, stop + SKEW)
        return found + 1 - SKEW if found >= 0 else 0

    def add(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        for piece in pieces:
            end = self.end + len(piece)
            self.view[self.end : end] = piece
            self.end = end


class ArenaPool:
    """Two arenas shared by the event loop (`current`, `swap`) and the writer (`note_written`, `release`)."""

    def __init__(self, headroom: int, on_release: Callable[[], None], *, spare: int = 0) -> None:
        """Allocate both arenas, and up to `spare` more while acks wait for a sync.

        If a `swap` found no free arena, the next `release` calls `on_release`, in the writer thread.
        """
        self.current = Arena(headroom)
        self._free: list[Arena] = [Arena(headroom)]
        self._headroom = headroom
        self._spare = spare
        self._lent = 0
        self._idle: list[Arena] = []  # spare arenas that are not lent now
        self.unwritten = 0  # bytes handed to the writer and not written yet
        self._is_awaited = False
        self._lock = Lock()
        self._on_release = on_release

    def swap(self) -> Arena | None:
        """Replace the current arena by a free one and return it; None if there is no free one."""
        with self._lock:
            free = self._free.pop() if self._free else self._lend()
            if free is None:
                self._is_awaited = True
                return None
            full, self.current = self.current, free
            self.unwritten += full.end
        return full

    def note_written(self, size: int) -> None:
        """Count `size` bytes as written; their arena may still be in use."""
        with self._lock:
            self.unwritten -= size

    def release(self, arena: Arena) -> None:
        """Clear an arena that the writer no longer needs, and reuse it."""
        with self._lock:
            arena.clear()
            if self._lent and self._free:
                self._lent -= 1
                self._idle.append(arena)
            else:
                self._free.append(arena)
            is_awaited, self._is_awaited = self._is_awaited, False
        if is_awaited:
            self._on_release()

    def _lend(self) -> Arena | None:
        if not self.current.receipts or self._lent == self._spare:
            return None
        self._lent += 1
        return self._idle.pop() if self._idle else Arena(self._headroom)
