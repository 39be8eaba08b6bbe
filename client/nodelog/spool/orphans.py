"""What forked children left: each has a spool beside its parent's, and the parent's next run takes it over.

A child cannot share the file, and must not keep its lines in memory alone where the parent was told to keep
them in a file. Its spool is named after the parent's and its own process number; when it ends with nothing
left, so does the file.
"""

from __future__ import annotations

import os
import re
import sqlite3
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import SpoolError
from nodelog.spool.spool_database import open_spool_database, to_spool_error
from nodelog.spool.spool_lock import SpoolLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# On the disk at its end: a power failure must not undo the copy and keep the removal that comes next.
_COPY: Final = """
    PRAGMA main.synchronous = FULL;
    BEGIN IMMEDIATE;
    CREATE TEMP TABLE new AS
        SELECT number, id FROM orphan.streams WHERE id NOT IN (SELECT id FROM main.streams);
    INSERT INTO main.streams (id) SELECT id FROM new;
    INSERT INTO main.pieces SELECT
        row + (SELECT ifnull(max(row), 0) FROM main.pieces),
        main.streams.number, block, lines, dropped, size, data
        FROM orphan.pieces JOIN new ON new.number = stream JOIN main.streams ON main.streams.id = new.id;
    INSERT INTO main.aside (at, why, stream, block, lines, data) SELECT at, why, stream, block, lines, data
        FROM orphan.aside WHERE (stream, block) NOT IN (SELECT stream, block FROM main.aside);
    DROP TABLE new;
    COMMIT;
"""


def child_spool_path(path: str) -> str:
    """Name the spool of this process, which was forked by the one that has `path`."""
    return f"{path}.child-{os.getpid()}"


def adopt_orphans(connection: sqlite3.Connection, path: Path, news: list[str]) -> None:
    """Move what children left into the spool at `path`, whose lock is held. Raises SpoolError.

    A child that still runs has its lock and is let be. After a crash in between it is done again: what was
    copied is recognised by its stream.
    """
    for orphan in list(_orphan_paths(path)):
        try:
            lock = SpoolLock(orphan)
        except SpoolError:
            continue
        try:
            _adopt(connection, path, orphan, news)
        finally:
            lock.release()


def remove_spool(path: Path) -> None:
    """Remove a spool whose lock is held and with it what lies beside it."""
    for suffix in ("-wal", "-shm", "", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _orphan_paths(path: Path) -> Iterator[Path]:
    name = re.compile(re.escape(path.name) + r"(\.child-[0-9]+)+")
    try:
        yield from (other for other in path.parent.iterdir() if name.fullmatch(other.name))
    except OSError as error:
        raise SpoolError(f"cannot list {path.parent}: {error.strerror}") from None


def _adopt(connection: sqlite3.Connection, path: Path, orphan: Path, news: list[str]) -> None:
    try:
        open_spool_database(orphan, news).close()
    except SpoolError as error:
        news.append(f"{error}; left as it is")
        return
    try:
        connection.execute("ATTACH ? AS orphan", (str(orphan),))
        try:
            connection.executescript(_COPY)
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute("DETACH orphan")
            connection.execute("PRAGMA main.synchronous = NORMAL")
    except sqlite3.Error as error:
        raise to_spool_error(path, error) from None
    remove_spool(orphan)
