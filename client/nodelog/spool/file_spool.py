"""The spool in a file: what is in memory is in SQLite before, so that a killed process finds it again.

Each call that keeps lines is one transaction, of the lines and of what was forgotten meanwhile. What a
collector has acknowledged may be written down late: it is offered again after a crash, and the collector
knows it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog.spool import orphans
from nodelog.spool.blocks import Block, SpoolError
from nodelog.spool.fork_guard import ForkGuard
from nodelog.spool.memory_spool import Spool
from nodelog.spool.spool_database import failure, opened
from nodelog.spool.spool_lock import Lock

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Sequence

    from nodelog.spool.blocks import Piece

_IN_MEMORY: Final = 4 * 1024 * 1024
"""Bytes of data that are sent without being read back: as many as may be unacknowledged. More are waiting
only while the collector is away."""
_ASIDE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of the blocks that are set aside; without a limit a collector that is broken would fill the disk."""


class FileSpool(Spool):
    """A spool at a path, for this process alone. Raises SpoolError if it cannot be used.

    If it is `of_a_child`, nobody will look for it when nothing is left in it, and it is removed.
    """

    is_lasting = True

    def __init__(self, path: str | os.PathLike[str], *, of_a_child: bool = False) -> None:
        super().__init__()
        self.path = Path(path)
        self._is_of_a_child = of_a_child
        self._most_in_memory = _IN_MEMORY
        self._numbers: dict[bytes, int] = {}  # of the streams that the file knows
        self._erased: list[tuple[int, int]] = []  # rows, from and to, that are to be deleted
        if not self.path.name:
            raise SpoolError(f"spool {self.path} is not the name of a file; give another")
        self._guard = ForkGuard()
        self._lock = Lock(self.path)
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise

    def renew(self) -> None:
        """Open the file again; if it is damaged, it is put aside, and what is in it counts as set aside."""
        with self._guard, suppress(sqlite3.Error):
            self._file.close()
        self.gone += self.lines
        self.aside += self.lines
        self._erased.clear()
        self._start()
        self._begin()
        self.gone -= self.lines
        self.aside -= self.lines

    def settle(self) -> None:
        """Write down what was forgotten."""
        if self._erased:
            with self._transaction():
                pass

    def settle_for_good(self) -> None:
        """Write down what was forgotten, and wait for the disk. Raises SpoolError."""
        self.settle()
        with self._telling():
            self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file and let others in."""
        with self._guard, suppress(sqlite3.Error):  # it is as whole as it will ever be
            empty = self._is_of_a_child and not self.lines and not self._bytes_aside()
            self._file.close()
            if empty:
                orphans.remove(self.path)
        self._lock.release()

    def _begin(self) -> None:
        with self._guard:
            self._file = opened(self.path, self.news)
        # SQLite refers to this function and the function to the connection, which so is never closed but by
        # `close`. In a forked child it must not even be closed at the end: that would undo the parent's
        # locks.
        self._file.create_function("spool", 0, lambda held=self._file: str(held))
        with self._telling():
            self._file.execute("DELETE FROM streams WHERE number NOT IN (SELECT stream FROM pieces)")
            orphans.adopt(self._file, self.path, self.news)
            self._find()

    def _find(self) -> None:
        """Take over what earlier runs left."""
        self._numbers = dict(self._file.execute("SELECT id, number FROM streams ORDER BY number"))
        streams = {number: stream for stream, number in self._numbers.items()}
        self._held = {stream: deque() for stream in [*self._numbers, self.stream]}
        rows = self._file.execute(
            "SELECT stream, block, min(row), max(row), sum(lines), sum(size), max(dropped)"
            " FROM pieces GROUP BY stream, block ORDER BY stream, block"
        )
        for stream, number, first, last, lines, size, dropped in rows:
            block = Block(number, first, last, lines, size, dropped, kept=None)
            self._held[streams[stream]].append(block)
            self.lines += block.lines
            self.size += block.size
            self._row = max(self._row, block.last)

    def _load(self, block: Block) -> bytes:
        with self._telling():
            rows = self._file.execute(
                "SELECT data FROM pieces WHERE row BETWEEN ? AND ? ORDER BY row", (block.first, block.last)
            )
            return b"".join(data for (data,) in rows)

    def _change(self, old: Iterable[Block], stream: bytes, pieces: Sequence[Piece]) -> None:
        with self._transaction() as file:
            self._delete((block.first, block.last) for block in old)
            number = self._numbers.get(stream)
            if number is None:
                number = file.execute("INSERT INTO streams (id) VALUES (?)", (stream,)).lastrowid or 0
            file.executemany(
                "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(p.row, number, p.number, p.lines, p.dropped, len(p.data), p.data) for p in pieces],
            )
        self._numbers[stream] = number

    def _forgotten(self, block: Block) -> None:
        if self._erased and self._erased[-1][1] + 1 == block.first:
            self._erased[-1] = (self._erased[-1][0], block.last)
        else:
            self._erased.append((block.first, block.last))

    def _put_aside(self, stream: bytes, block: Block, why: str) -> str:
        data = self._load(block)
        with self._transaction() as file:
            self._delete([(block.first, block.last)])
            if self._bytes_aside() + len(data) > _ASIDE_LIMIT:
                return super()._put_aside(stream, block, why)
            file.execute(
                "INSERT INTO aside (why, stream, block, lines, data) VALUES (?, ?, ?, ?, ?)",
                (why, stream, block.number, block.lines, data),
            )
        self.aside += block.lines
        return f"set aside {block.lines} lines in {self.path}"

    def _rename(self, old: bytes, new: bytes) -> None:
        if old not in self._numbers:
            return
        with self._transaction() as file:
            file.execute("UPDATE streams SET id = ? WHERE id = ?", (new, old))
        self._numbers[new] = self._numbers.pop(old)

    def _bytes_aside(self) -> int:
        (size,) = self._file.execute("SELECT ifnull(sum(length(data)), 0) FROM aside").fetchone()
        return int(size)

    def _delete(self, rows: Iterable[tuple[int, int]]) -> None:
        self._file.executemany("DELETE FROM pieces WHERE row BETWEEN ? AND ?", rows)

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """Do what the block does, and delete what was forgotten, or nothing of it."""
        with self._telling():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                self._delete(self._erased)
                yield self._file
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:  # a full disk ends it by itself
                    self._file.execute("ROLLBACK")
                raise
        self._erased.clear()

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            with self._guard:
                yield
        except sqlite3.Error as error:
            raise failure(self.path, error) from None
