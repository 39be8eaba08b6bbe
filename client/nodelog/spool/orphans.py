"""What forked children left: each has a spool beside its parent's, and the parent's next run takes it over.

A child cannot share the file of its parent, and must not keep its lines only in memory if the parent keeps
them in a file. Its spool is named after the parent's, with its own process id. The file is removed when the
child ends with nothing left in it.
"""

from __future__ import annotations

import os
import re
import sqlite3
from typing import TYPE_CHECKING, Final, TypeAlias

from nodelog.spool.blocks import SpoolError
from nodelog.spool.spool_database import (
    EXPORT_MARK,
    has_export_marks,
    open_spool_database,
    to_spool_error,
)
from nodelog.spool.spool_lock import SpoolLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Names: TypeAlias = "re.Pattern[str] | None"
"""Names of files to take over, besides those of children."""

# FULL syncs the copy to the disk: a power failure must not undo it and keep the removal that follows.
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
    INSERT INTO main.aside ({aside}) SELECT {aside}
        FROM orphan.aside WHERE (stream, block) NOT IN (SELECT stream, block FROM main.aside);
    DROP TABLE new;
    COMMIT;
"""


def child_spool_path(path: str) -> str:
    """Return the path of the spool of this process, whose parent has the spool at `path`."""
    return f"{path}.child-{os.getpid()}"


def adopt_orphans(
    connection: sqlite3.Connection,
    path: Path,
    notices: list[str],
    siblings: Names = None,
) -> None:
    """Move what children left into the spool at `path`, whose lock is held. Raises SpoolError.

    Files whose names match `siblings` are those of processes with the same configuration. The spool of a
    process that still runs is locked and is skipped. After a crash in between the move is
    repeated: what was copied already is recognised by its stream.
    """
    for orphan in [*_child_paths(path), *_sibling_paths(path, siblings), *_ancestor_paths(path)]:
        try:
            lock = SpoolLock(orphan, retries=False)
        except SpoolError:
            continue
        try:
            _adopt(connection, path, orphan, notices)
        finally:
            lock.release()


def remove_spool(path: Path) -> None:
    """Remove a spool whose lock is held, with the files beside it."""
    for suffix in ("-wal", "-shm", "", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _child_paths(path: Path) -> list[Path]:
    return _matching(path.parent, re.compile(re.escape(path.name) + r"(\.child-[0-9]+)+"))


def _sibling_paths(path: Path, siblings: Names) -> list[Path]:
    """Return the files of siblings; empty ones are none, and no link leads to one."""
    others = [] if siblings is None else _matching(path.parent, siblings)
    return [each for each in others if each != path and not each.is_symlink() and _has_content(each)]


def _ancestor_paths(path: Path) -> Iterator[Path]:
    """Yield the files of the processes that this one descends from: a daemon outlives them."""
    name = path.name
    while match := re.fullmatch(r"(.+)\.child-[0-9]+", name):
        name = match[1]
        if _has_content(path.with_name(name)):
            yield path.with_name(name)


def _matching(folder: Path, names: re.Pattern[str]) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if names.fullmatch(each.name)]
    except OSError as error:
        raise SpoolError(f"cannot list {folder}: {error.strerror}") from None


def _has_content(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:  # another process has taken it over just now
        return False


def _adopt(connection: sqlite3.Connection, path: Path, orphan: Path, notices: list[str]) -> None:
    try:
        open_spool_database(orphan, notices).close()
    except SpoolError as error:
        notices.append(f"{error}; the file stays, its lines are not taken over")
        return
    try:
        connection.execute("ATTACH ? AS orphan", (str(orphan),))
        try:
            connection.executescript(_COPY.format(aside=_aside_columns(connection)))
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


def _aside_columns(connection: sqlite3.Connection) -> str:
    """Return the columns of blocks set aside that the orphan has; add to ours the one that it has more."""
    columns = "at, why, stream, block, lines, data"
    if not has_export_marks(connection, "orphan"):
        return columns
    if not has_export_marks(connection):
        connection.execute(EXPORT_MARK)
    return f"{columns}, exported"
