"""Opens the SQLite file of a spool, and checks first whether it is one, is new, or is damaged.

A damaged spool is renamed and a new one is started in its place, so that it does not keep a program from
starting; its content is still there, and that is reported. A file that is not a spool is left alone.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import DamagedSpoolError, SpoolError
from nodelog.spool.own_file import open_own

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION: Final = 1
APPLICATION_ID: Final = 0x6E6C7370  # "nlsp": marks a SQLite file as a spool
SQLITE_MAGIC: Final = b"SQLite format 3\0"
_DAMAGE_CODES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY_SECONDS: Final = 5.0  # seconds to wait for a reader that holds a lock

_SCHEMA: Final = f"""
    BEGIN;
    CREATE TABLE streams (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE);
    CREATE TABLE pieces (
        row INTEGER PRIMARY KEY, stream INTEGER NOT NULL, block INTEGER NOT NULL,
        lines INTEGER NOT NULL, dropped INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL
    );
    CREATE TABLE aside (
        row INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, why TEXT NOT NULL,
        stream BLOB NOT NULL, block INTEGER NOT NULL, lines INTEGER NOT NULL, data BLOB NOT NULL
    );
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {FORMAT_VERSION};
    COMMIT;
"""


_FOREIGN_SCHEMA: Final = """
    SELECT type, name FROM sqlite_master
    WHERE NOT (type = 'table' AND name IN ('streams', 'pieces', 'aside') AND sql NOT LIKE 'CREATE VIRTUAL%')
    AND NOT (type = 'index' AND name LIKE 'sqlite_autoindex_%') LIMIT 1
"""


def open_spool_database(path: Path, notices: list[str]) -> sqlite3.Connection:
    """Open the spool at `path`, whose lock is held; create it if there is none. Raises SpoolError.

    A message about a damaged spool that was replaced is added to `notices`.
    """
    try:
        return _connect(path)
    except DamagedSpoolError as error:
        notices.append(f"{error}; it is kept as {_move_aside(path)}, a new one is started")
        return _connect(path)


def to_spool_error(path: Path, error: sqlite3.Error) -> SpoolError:
    """Return the SpoolError, one line for an operator, for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0)  # errors raised by Python itself have none
    # A ProgrammingError means that the file was closed because of damage and could not be opened again.
    if code & 0xFF in _DAMAGE_CODES or isinstance(error, sqlite3.ProgrammingError):
        return DamagedSpoolError(f"spool {path} is damaged ({error})")
    return SpoolError(f"cannot use spool {path}: {error}")


def _connect(path: Path) -> sqlite3.Connection:
    _check_file(path)
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise to_spool_error(path, error) from None
    try:
        _check_database(connection, path)
        # A killed process loses nothing: what it wrote is with the kernel. With NORMAL a power failure may
        # cost the last seconds, but never the integrity of the file.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        connection.close()
        raise to_spool_error(path, error) from None
    except SpoolError:
        connection.close()
        raise
    return connection


def _check_file(path: Path) -> None:
    """Create a missing file, private to its owner; raise SpoolError for one that is not ours or SQLite's."""
    try:
        with os.fdopen(open_own(path, os.O_RDONLY | os.O_CREAT), "rb") as file:
            magic = file.read(len(SQLITE_MAGIC))
        for suffix in ("-wal", "-shm", "-journal"):  # SQLite opens these by their names
            with suppress(FileNotFoundError):
                os.close(open_own(path.with_name(path.name + suffix), os.O_RDONLY))
    except OSError as error:
        raise SpoolError(f"cannot open spool {path}: {error.strerror}; choose another") from None
    if magic not in {b"", SQLITE_MAGIC}:
        raise SpoolError(f"{path} is not a spool and is left unchanged; choose another, or move it away")


def _check_database(connection: sqlite3.Connection, path: Path) -> None:
    mark, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.executescript(_SCHEMA)
    elif mark != APPLICATION_ID:
        raise SpoolError(f"{path} is a SQLite file but not a spool, and is left unchanged; choose another")
    elif version != FORMAT_VERSION:
        raise SpoolError(
            f"spool {path} has format {version}, this nodelog knows {FORMAT_VERSION}; "
            "use the nodelog that wrote it, or choose another spool"
        )
    check_schema(connection, path)
    if (found := _pragma(connection, "quick_check")) != "ok":
        raise DamagedSpoolError(f"spool {path} is damaged ({str(found).splitlines()[0]})")


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise SpoolError if there is more than our tables: a view or a trigger would run what others wrote."""
    connection.execute("PRAGMA trusted_schema = OFF")
    foreign = connection.execute(_FOREIGN_SCHEMA).fetchone()
    if foreign:
        raise SpoolError(
            f"{path} is a SQLite file but not a spool: it has the {str(foreign[0])[:20]} "
            f"{str(foreign[1])[:80]}; it is left unchanged, choose another"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _move_aside(path: Path) -> str:
    """Rename the file and its write-ahead log to the first free name `….damaged-N`; return the new name."""
    names = (f"{path.name}.damaged-{number}" for number in itertools.count(1))
    new = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    try:
        for suffix in ("-wal", ""):
            old = path.with_name(path.name + suffix)
            if old.exists():
                old.rename(new.with_name(new.name + suffix))
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    except OSError as error:
        raise SpoolError(f"cannot rename the damaged spool {path}: {error.strerror}") from None
    return str(new)
