"""The spool in a file: lines are in SQLite before they are in memory, so a killed process loses none.

Each call that stores lines is one transaction, of these lines and of the removals that are still to be
recorded. Removals of acknowledged blocks may be recorded late: after a crash such a block is offered again,
and the collector knows it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodelog.spool import orphans
from nodelog.spool.blocks import Block, ClosedSpoolError, SpoolError
from nodelog.spool.fork_guard import ForkGuard
from nodelog.spool.open_files import OpenFiles
from nodelog.spool.spool import Spool
from nodelog.spool.spool_database import open_spool_database, to_spool_error
from nodelog.spool.spool_lock import SpoolLock

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from nodelog.spool.blocks import Piece
    from nodelog.spool.orphans import Names

_MAX_MEMORY_BYTES: Final = 4 * 1024 * 1024
"""Bytes of data kept in memory, so that they are not read back: as many as may be unacknowledged. More wait
only while the collector is away."""
_MAX_ASIDE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the blocks that are set aside; without a limit a broken collector would fill the disk."""


class FileSpool(Spool):
    """A spool at a path, for this process alone. Raises SpoolError if it cannot be used.

    With `is_child_spool` the file belongs to a forked child: `close` removes it if nothing is left in it,
    since no later run would look for it. `siblings`: the names of files of ended processes to take over.
    """

    is_persistent = True

    def __init__(self, path: str | Path, *, is_child_spool: bool = False, siblings: Names = None) -> None:
        super().__init__()
        self.path: Path = Path(path)
        self._siblings = siblings
        self._is_child_spool = is_child_spool
        self._max_memory_bytes = _MAX_MEMORY_BYTES
        self._stream_numbers: dict[bytes, int] = {}  # the `number` of each stream in the file
        self._files = OpenFiles()
        self._reported_orphans: set[str] = set()
        self._removed_rows: list[tuple[int, int]] = []  # first and last row of each range to delete
        if not self.path.name:
            raise SpoolError(f"spool {self.path} does not name a file; choose another path")
        self._fork_guard = ForkGuard()
        self._lock = SpoolLock(self.path)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def reopen(self) -> None:
        """Open the file again; if it is damaged, move it aside and count its lines as set aside.

        If another part of the program has closed the file, start a new one, which the next run takes over.
        """
        if self._files.are_ours():
            with self._fork_guard, suppress(sqlite3.Error):
                self._database.close()
            self._files = OpenFiles()
        else:
            self._move_on()
        self.removed += self.lines
        self.aside += self.lines
        self._removed_rows.clear()
        self._start_stream()
        self._stream_numbers.clear()
        self._open()
        self.removed -= self.lines
        self.aside -= self.lines

    def adopt_orphans(self) -> bool:
        """Take over what ended child processes left; return whether there was any. Raises SpoolError."""
        before = self.lines
        with self._converting_errors():
            self._adopt()
            self._load_earlier_runs()
        return self.lines > before

    def commit_removals(self) -> None:
        """Delete from the file what was forgotten. Raises SpoolError."""
        if self._removed_rows:
            with self._transaction():
                pass

    def sync_removals(self) -> None:
        """Delete from the file what was forgotten, and sync it to the disk. Raises SpoolError."""
        self.commit_removals()
        with self._converting_errors():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file and release its lock."""
        if not self._files.are_ours():
            self._lock.release()
            return
        with self._fork_guard, suppress(sqlite3.Error):  # what is stored is stored, whatever fails now
            is_empty = self._is_child_spool and not self.lines and not self._bytes_aside()
            self._database.close()
            if is_empty:
                orphans.remove_spool(self.path)
        self._lock.release()

    def _open(self) -> None:
        with self._fork_guard:
            self._database = open_spool_database(self.path, self.notices)
        self._files = OpenFiles()  # not known before the file was used
        # SQLite refers to this function and the function to the connection, so only `close` ever closes the
        # connection. In a forked child it must not be closed even at exit: that would release the parent's
        # locks.
        self._database.create_function("spool", 0, lambda held=self._database: str(held))
        with self._converting_errors():
            self._database.execute("DELETE FROM streams WHERE number NOT IN (SELECT stream FROM pieces)")
            self._adopt()
            self._load_earlier_runs()
        self._files = OpenFiles(self.path)

    def _adopt(self) -> None:
        """Copy what is left of ended child processes into this file; report what cannot be copied, once."""
        notices: list[str] = []
        orphans.adopt_orphans(self._database, self.path, notices, self._siblings)
        self.notices += [text for text in notices if text not in self._reported_orphans]
        self._reported_orphans.update(notices)

    def _move_on(self) -> None:
        """Leave a file that another part of the program has closed as it is, and use a new one beside it."""
        # The file cannot be opened again: SQLite would use what it remembers of the closed descriptors.
        new = Path(orphans.child_spool_path(str(self.path)))
        lock = SpoolLock(new)
        self._lock.release()
        self.notices.append(
            f"another part of this program closed the files of spool {self.path}; the {self.lines} lines in "
            f"it wait for the next run on it, new lines go to {new}"
        )
        self.path, self._lock, self._is_child_spool = new, lock, True

    def _load_earlier_runs(self) -> None:
        """Load the list of blocks that other runs left, as far as they are not known yet."""
        numbers = dict(self._database.execute("SELECT id, number FROM streams ORDER BY number"))
        streams = {number: stream for stream, number in numbers.items() if stream not in self._stream_numbers}
        self._stream_numbers |= numbers
        ours = self._blocks.pop(self.stream)
        self._blocks |= {stream: deque() for stream in streams.values()}
        self._blocks[self.stream] = ours
        rows = self._database.execute(
            "SELECT stream, block, min(row), max(row), sum(lines), sum(size), max(dropped)"
            " FROM pieces GROUP BY stream, block ORDER BY stream, block"
        )
        for stream, number, first, last, lines, size, dropped in rows:
            if stream not in streams:
                continue
            block = Block(number, first, last, lines, size, dropped, chunks=None)
            self._blocks[streams[stream]].append(block)
            self.lines += block.lines
            self.size += block.size
            self._last_row = max(self._last_row, block.last_row)

    def _load(self, block: Block) -> bytes:
        with self._converting_errors():
            rows = self._database.execute(
                "SELECT data FROM pieces WHERE row BETWEEN ? AND ? ORDER BY row",
                (block.first_row, block.last_row),
            )
            return b"".join(data for (data,) in rows)

    def _store(self, old: Iterable[Block], stream: bytes, pieces: Sequence[Piece]) -> None:
        with self._transaction() as file:
            self._delete_rows((block.first_row, block.last_row) for block in old)
            number = self._stream_numbers.get(stream)
            if number is None:
                number = file.execute("INSERT INTO streams (id) VALUES (?)", (stream,)).lastrowid or 0
            file.executemany(
                "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(p.row, number, p.block_number, p.lines, p.dropped, len(p.data), p.data) for p in pieces],
            )
        self._stream_numbers[stream] = number

    def _note_removal(self, block: Block) -> None:
        if self._removed_rows and self._removed_rows[-1][1] + 1 == block.first_row:
            self._removed_rows[-1] = (self._removed_rows[-1][0], block.last_row)
        else:
            self._removed_rows.append((block.first_row, block.last_row))

    def _store_aside(self, stream: bytes, block: Block, reason: str) -> str:
        data = self._load(block)
        with self._transaction() as file:
            self._delete_rows([(block.first_row, block.last_row)])
            if self._bytes_aside() + len(data) > _MAX_ASIDE_BYTES:
                return self._drop_instead(block)
            file.execute(
                "INSERT INTO aside (why, stream, block, lines, data) VALUES (?, ?, ?, ?, ?)",
                (reason, stream, block.number, block.lines, data),
            )
        self.aside += block.lines
        return f"set aside {block.lines} lines in {self.path}"

    def _store_rename(self, old: bytes, new: bytes) -> None:
        if old not in self._stream_numbers:
            return
        with self._transaction() as file:
            file.execute("UPDATE streams SET id = ? WHERE id = ?", (new, old))
        self._stream_numbers[new] = self._stream_numbers.pop(old)

    def _bytes_aside(self) -> int:
        (size,) = self._database.execute("SELECT ifnull(sum(length(data)), 0) FROM aside").fetchone()
        return int(size)

    def _delete_rows(self, rows: Iterable[tuple[int, int]]) -> None:
        self._database.executemany("DELETE FROM pieces WHERE row BETWEEN ? AND ?", rows)

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """Run the block and delete what was forgotten in one transaction: all or nothing."""
        with self._converting_errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._delete_rows(self._removed_rows)
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk ends the transaction
                    self._database.execute("ROLLBACK")
                raise
        self._removed_rows.clear()

    @contextmanager
    def _converting_errors(self) -> Generator[None]:
        try:
            with self._fork_guard:
                if not self._files.are_ours():
                    raise ClosedSpoolError(f"another part of this program closed the files of {self.path}")
                yield
        except sqlite3.Error as error:
            raise to_spool_error(self.path, error) from None
