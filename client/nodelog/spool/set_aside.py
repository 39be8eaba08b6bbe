"""The blocks that were set aside in a spool's file, for export and removal while no process uses the spool.

A block that was exported is marked by a column that the first export adds. Programs that do not know it are
not disturbed by it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from nodelog.spool.blocks import SpoolError
from nodelog.spool.inspection import inspect_spool
from nodelog.spool.spool_database import EXPORT_MARK, has_export_marks, to_spool_error
from nodelog.spool.spool_lock import SpoolLock

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from nodelog.spool.inspection import SetAsideBlock


class SetAsideBlocks:
    """The blocks set aside in a file whose lock is held."""

    def __init__(self, file: sqlite3.Connection, blocks: Sequence[SetAsideBlock]) -> None:
        self.all = blocks
        self._file = file

    def read(self, block: SetAsideBlock) -> bytes:
        """Return the lines of a block, as they were; empty if it is gone."""
        row = self._file.execute(
            "SELECT CAST(data AS BLOB) FROM aside WHERE row = ?", (block.row,)
        ).fetchone()
        return bytes(row[0]) if row else b""

    def mark_exported(self, blocks: Sequence[SetAsideBlock]) -> None:
        """Record that these blocks were exported."""
        if not has_export_marks(self._file):
            self._file.execute(EXPORT_MARK)
        self._change("UPDATE aside SET exported = 1 WHERE row = ?", blocks)

    def discard(self, blocks: Sequence[SetAsideBlock]) -> None:
        """Remove these blocks."""
        self._change("DELETE FROM aside WHERE row = ?", blocks)

    def _change(self, statement: str, blocks: Sequence[SetAsideBlock]) -> None:
        """Change rows in one transaction, durably."""
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany(statement, [(block.row,) for block in blocks])
        self._file.execute("COMMIT")


@contextmanager
def opened_set_aside(path: Path) -> Generator[SetAsideBlocks]:
    """Open the spool at `path` and hold its lock. Raises SpoolError, also if a process uses the spool."""
    if holder := inspect_spool(path).holder:  # it also refuses a file that is damaged, or not a spool
        raise SpoolError(f"{path} is in use by {holder}: stop it first; nothing was changed")
    lock = _lock(path)
    try:
        blocks = inspect_spool(path).aside  # of now: a process may have used it in the meantime
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("PRAGMA synchronous = FULL")
            yield SetAsideBlocks(file, blocks)
    except sqlite3.Error as error:
        raise to_spool_error(path, error) from None
    finally:
        lock.release()


def _lock(path: Path) -> SpoolLock:
    """Take the lock; a new file is given to the owner of the spool, so that its programs can open it."""
    lock_path = path.with_name(f"{path.name}.lock")
    is_new = not lock_path.exists()
    lock = SpoolLock(path)
    if is_new:
        with suppress(OSError):  # it is the owner who does this, or has no right to
            status = path.stat()
            os.chown(lock_path, status.st_uid, status.st_gid)
    return lock
