"""A read-only look at a spool's file that does not disturb its owner: nothing is created or repaired.

SQLite can read a file that another process is using. To read one that nobody uses, it would create files
beside it, unless it is told that the file is immutable.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import DamagedSpoolError, SpoolError
from nodelog.spool.spool_database import (
    APPLICATION_ID,
    FORMAT_VERSION,
    SQLITE_MAGIC,
    check_schema,
    to_spool_error,
)

if TYPE_CHECKING:
    from pathlib import Path

_BUSY_SECONDS: Final = 1.0  # seconds to wait for an owner that holds a lock
_MAX_SHOWN_BYTES: Final = 200  # of a line

_STREAMS: Final = """
    SELECT lower(hex(id)), min(block), max(block), count(DISTINCT block), sum(lines), sum(size), sum(dropped)
    FROM pieces JOIN streams ON number = stream GROUP BY stream ORDER BY stream
"""
_ASIDE: Final = """
    SELECT substr(CAST(at AS TEXT), 1, 200), substr(CAST(why AS TEXT), 1, 200),
        CAST(lines AS INTEGER), length(data)
    FROM aside ORDER BY row
"""
_OLDEST: Final = "SELECT data FROM pieces ORDER BY stream, row LIMIT 1"
_NEWEST: Final = "SELECT data FROM pieces ORDER BY stream DESC, row DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What is left of one run of a program."""

    id: str
    first: int
    """Number of the first block."""
    last: int
    """Number of the last block."""
    blocks: int
    lines: int
    size: int
    """Bytes."""
    dropped: int
    """Lines that were dropped; one of `lines` says so in their place."""


@dataclass(frozen=True, slots=True)
class SetAsideBlock:
    """A block that is kept but not sent."""

    at: str
    """When it was set aside, UTC."""
    why: str
    lines: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class SpoolContents:
    """The content of a spool at one moment; the names of all fields are keys of `nodelog status --json`."""

    format: int
    holder: str
    """The process that uses it; empty if none does."""
    streams: list[StreamSummary]
    """In the order in which they will be sent."""
    aside: list[SetAsideBlock]
    oldest: bytes
    """The first bytes of the first line."""
    newest: bytes
    """The first bytes of the last line."""


def inspect_spool(path: Path) -> SpoolContents:
    """Return the content of the spool at `path`. Raises SpoolError."""
    try:
        return _inspect(path)
    except SpoolError:  # its owner may have started or ended just now
        return _inspect(path)


def _inspect(path: Path) -> SpoolContents:
    _check_file(path)
    holder = _lock_holder(path)
    try:
        with closing(_connect(path, in_use=bool(holder))) as file:
            file.execute("BEGIN")  # everything is read as of one moment
            _check_database(file, path, in_use=bool(holder))
            return SpoolContents(
                format=FORMAT_VERSION,
                holder=holder,
                streams=[StreamSummary(*row) for row in file.execute(_STREAMS)],
                aside=[SetAsideBlock(*row) for row in file.execute(_ASIDE)],
                oldest=_line(file, _OLDEST, 0),
                newest=_line(file, _NEWEST, -1),
            )
    except sqlite3.Error as error:
        raise to_spool_error(path, error) from None


def _check_file(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe might block forever
        with os.fdopen(fd, "rb") as file:
            magic = file.read(len(SQLITE_MAGIC)) or b""
    except OSError as error:
        raise SpoolError(f"cannot read spool {path}: {error.strerror}") from None
    if not magic:
        raise SpoolError(f"{path} is empty: it was never used as a spool")
    if magic != SQLITE_MAGIC:
        raise SpoolError(f"{path} is not a spool")


def _lock_holder(path: Path) -> str:
    """Return the holder of the lock, as it names itself; empty if the lock is free."""
    try:
        how = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        fd = os.open(path.with_name(f"{path.name}.lock"), how)
    except OSError:  # it was never held, or the spool is unreadable, too
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # held only until the close below
    except OSError:
        return os.pread(fd, _MAX_SHOWN_BYTES, 0).decode(errors="replace").strip() or "another process"
    finally:
        os.close(fd)
    return ""


def _connect(path: Path, *, in_use: bool) -> sqlite3.Connection:
    how = "mode=ro" if in_use or _is_unfinished(path) else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    file = sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
    file.execute("PRAGMA trusted_schema = OFF")
    return file


def _is_unfinished(path: Path) -> bool:
    """Return whether its last owner was killed."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _check_database(file: sqlite3.Connection, path: Path, *, in_use: bool) -> None:
    (mark,), (version,) = (
        file.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    if mark != APPLICATION_ID:
        raise SpoolError(f"{path} is a SQLite file but not a spool")
    if version != FORMAT_VERSION:
        raise SpoolError(f"spool {path} has format {version}, this nodelog knows {FORMAT_VERSION}")
    check_schema(file, path)
    # An owner has already checked the file, and would have to wait for us.
    if not in_use and (found := str(file.execute("PRAGMA quick_check").fetchone()[0])) != "ok":
        raise DamagedSpoolError(f"spool {path} is damaged ({found.splitlines()[0]})")


def _line(file: sqlite3.Connection, query: str, which: int) -> bytes:
    row = file.execute(query).fetchone()
    return bytes(row[0].removesuffix(b"\n").split(b"\n")[which][:_MAX_SHOWN_BYTES]) if row else b""
