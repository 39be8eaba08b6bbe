"""What is in a spool's file, for somebody who must not disturb its owner: nothing is made or repaired.

SQLite reads a file that somebody uses beside him. One that nobody uses it would change for that (it makes
files beside it), unless it takes it for one that cannot change.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import DamagedSpoolError, SpoolError
from nodelog.spool.spool_database import APPLICATION_ID, FORMAT_VERSION, SQLITE_MAGIC, to_spool_error

if TYPE_CHECKING:
    from pathlib import Path

_BUSY_SECONDS: Final = 1.0  # seconds, for an owner that is in our way
_MAX_SHOWN_BYTES: Final = 200  # bytes of a line

_STREAMS: Final = """
    SELECT lower(hex(id)), min(block), max(block), count(DISTINCT block), sum(lines), sum(size), sum(dropped)
    FROM pieces JOIN streams ON number = stream GROUP BY stream ORDER BY stream
"""
_ASIDE: Final = "SELECT at, why, lines, length(data) FROM aside ORDER BY row"
_OLDEST: Final = "SELECT data FROM pieces ORDER BY stream, row LIMIT 1"
_NEWEST: Final = "SELECT data FROM pieces ORDER BY stream DESC, row DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What is left of one run of a program."""

    id: str
    first: int
    """Number of the first block."""
    last: int
    blocks: int
    lines: int
    size: int
    """Bytes."""
    dropped: int
    """Lines that were dropped; one of `lines` tells so in their place."""


@dataclass(frozen=True, slots=True)
class SetAsideBlock:
    """A block that is kept and not sent."""

    at: str
    """When it was set aside, UTC."""
    why: str
    lines: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class SpoolContents:
    """A spool at a moment."""

    format: int
    holder: str
    """Who uses it, empty if nobody does."""
    streams: list[StreamSummary]
    """In the order in which they will be sent."""
    aside: list[SetAsideBlock]
    oldest: bytes
    """The beginning of the first line."""
    newest: bytes
    """The beginning of the last one."""


def inspect_spool(path: Path) -> SpoolContents:
    """Look into the spool at `path`. Raises SpoolError."""
    try:
        return _inspect(path)
    except SpoolError:  # its owner may have come or gone in that moment
        return _inspect(path)


def _inspect(path: Path) -> SpoolContents:
    _check_file(path)
    holder = _lock_holder(path)
    try:
        with closing(_connect(path, in_use=bool(holder))) as file:
            file.execute("BEGIN")  # one moment for all that is read
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
        with path.open("rb") as file:
            beginning = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise SpoolError(f"cannot read spool {path}: {error.strerror}") from None
    if not beginning:
        raise SpoolError(f"{path} is empty: no spool was begun in it")
    if beginning != SQLITE_MAGIC:
        raise SpoolError(f"{path} is not a spool")


def _lock_holder(path: Path) -> str:
    """Tell who has the lock, as he says himself."""
    try:
        fd = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # nobody ever had it, or we would not be let in anyway
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # for the moment until it is closed
    except OSError:
        return os.pread(fd, _MAX_SHOWN_BYTES, 0).decode(errors="replace").strip() or "another process"
    finally:
        os.close(fd)
    return ""


def _connect(path: Path, *, in_use: bool) -> sqlite3.Connection:
    how = "mode=ro" if in_use or _is_unfinished(path) else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(uri, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)


def _is_unfinished(path: Path) -> bool:
    """Tell whether its last owner was killed."""
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
    # The owner of one in use has checked it, and would have to wait for us.
    if not in_use and (found := str(file.execute("PRAGMA quick_check").fetchone()[0])) != "ok":
        raise DamagedSpoolError(f"spool {path} is damaged ({found.splitlines()[0]})")


def _line(file: sqlite3.Connection, query: str, which: int) -> bytes:
    row = file.execute(query).fetchone()
    return bytes(row[0].removesuffix(b"\n").split(b"\n")[which][:_MAX_SHOWN_BYTES]) if row else b""
