"""Arenas: the memory lines are received into and written from, without a copy in between.

There are two. The loop fills one while the writer's thread writes the other, so a slow disk never stalls
the loop and memory is bounded: when both are taken, reading waits. An arena of 1 MiB stays in the second
level cache; one of 4 MiB costs 1.6 CPU-seconds more per GB.

Where answers wait for a sync, so do their arenas: after a failed one they are written once more. Then a few
more are lent, so that one sync, which takes as long as the writing of many, is for many.
"""

from __future__ import annotations

from mmap import MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.network.relp_connection import RelpConnection

FULL = 1024 * 1024  # bytes; an arena that holds as much is handed over
OWED = 16 * 1024  # answers; an arena that owes as many is handed over
# Bytes between the start of a page and an arena: 1.0 CPU-s/GB was measured from 0, 0.67 from here. The kernel
# copies between pages and the arena, and addresses alike in their last twelve bits seem to be in the way.
SKEW = 2048 + 64


class Arena:
    """Whole lines, `view[:end]`, and who is to hear when they are stored.

    There is room behind FULL for one more read, or one more long line.
    """

    __slots__ = ("_data", "_owed", "end", "fence", "limit", "pairs", "receipts", "view")

    def __init__(self, room: int) -> None:
        """Hold up to FULL bytes, and `room` more that one addition may take."""
        # Not a bytearray: that one writes its zeros, and an idle collector would hold pages it never used.
        self._data = mmap(-1, SKEW + FULL + room, MAP_PRIVATE | MAP_ANONYMOUS)
        self._data.madvise(MADV_NOHUGEPAGE)
        self.view = memoryview(self._data)[SKEW:]
        self.clear()

    def clear(self) -> None:
        """Make it empty."""
        self.end = 0
        self.limit = FULL  # bytes at which it is to be written before anything may be added
        self._owed = 0  # answers
        self.pairs: dict[bytes, int] = {}  # the last block of each stream that has some here
        self.receipts: dict[RelpConnection, int] = {}  # how many answers are due to whom once this is stored
        self.fence = False  # somebody asks what is durable: it is to be, whatever --sync says

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to be written and nobody to be answered."""
        return not self.end and not self.receipts

    @property
    def is_full(self) -> bool:
        """True if nothing may be added before it was written."""
        return self.end >= self.limit

    def owe(self, connection: RelpConnection, count: int) -> None:
        """Note so many answers that are due once this is stored; too many make it full without a byte."""
        self.receipts[connection] = self.receipts.get(connection, 0) + count
        self._owed += count
        if self._owed >= OWED:
            self.limit = 0

    def last_line_end(self, start: int, stop: int) -> int:
        """Give the offset behind the last LF in `view[start:stop]`, or 0 if there is none."""
        found = self._data.rfind(b"\n", start + SKEW, stop + SKEW)
        return found + 1 - SKEW if found >= 0 else 0

    def add(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Put bytes behind the others."""
        for piece in pieces:
            end = self.end + len(piece)
            self.view[self.end : end] = piece
            self.end = end


class Arenas:
    """Two arenas on their way between the loop (`current`, `swap`) and the writer (`wrote`, `give_back`)."""

    def __init__(self, room: int, on_return: Callable[[], None], *, spare: int = 0) -> None:
        """Make them. `on_return` is called from the writer's thread if a `swap` found none free before.

        Up to `spare` more are lent to those that owe answers.
        """
        self.current = Arena(room)
        self._free: list[Arena] = [Arena(room)]
        self._room = room
        self._spare = spare
        self._lent = 0
        self._idle: list[Arena] = []  # that were lent before
        self.handed = 0  # bytes that the writer has and has not written
        self._awaited = False
        self._lock = Lock()
        self._on_return = on_return

    def swap(self) -> Arena | None:
        """Exchange the current arena for a free one and return it; None if there is none yet."""
        with self._lock:
            free = self._free.pop() if self._free else self._lend()
            if free is None:
                self._awaited = True
                return None
            full, self.current = self.current, free
            self.handed += full.end
        return full

    def wrote(self, size: int) -> None:
        """Note so many bytes that are written; the arena may be needed on."""
        with self._lock:
            self.handed -= size

    def give_back(self, arena: Arena) -> None:
        """Take an arena that is not needed any more."""
        with self._lock:
            arena.clear()
            if self._lent and self._free:
                self._lent -= 1
                self._idle.append(arena)
            else:
                self._free.append(arena)
            awaited, self._awaited = self._awaited, False
        if awaited:
            self._on_return()

    def _lend(self) -> Arena | None:
        if not self.current.receipts or self._lent == self._spare:
            return None
        self._lent += 1
        return self._idle.pop() if self._idle else Arena(self._room)
