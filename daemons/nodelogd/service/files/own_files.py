"""Files of our own in a folder that others may write to: nothing is read before it is known to be ours.

A name proves nothing there. Anyone may have put a link, a FIFO or a device at it, or a file that only looks
like ours. A file is ours if it is a regular file with one name, belongs to us, and nobody else may write to
it. This does not hold off another process of our own user; against that, only a folder helps that no one else
can reach.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

log = logging.getLogger(__name__)

FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Never follow a link, never wait for the other end of a FIFO."""
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class ForeignFileError(OSError):
    """What has one of our names is not our file; `strerror` says why."""


def why_foreign(status: os.stat_result, uids: frozenset[int]) -> str:
    """Return why a file with this status is not ours, empty if it is; `uids` are those of our files."""
    if kind := _KINDS.get(stat.S_IFMT(status.st_mode)):
        return f"it is {kind}"
    if status.st_nlink > 1:
        return f"it has {status.st_nlink} names"
    if status.st_uid not in uids:
        return f"it belongs to user {status.st_uid}"
    if status.st_mode & _WRITABLE:
        return f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def own_status(path: Path) -> os.stat_result | None:
    """Return the status of our file at `path`, None if nothing is there. Raises ForeignFileError, OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    _check(path, status)
    return status


def is_own(path: Path) -> bool:
    """Return whether there is a file of our own at `path`."""
    try:
        return own_status(path) is not None
    except OSError:
        return False


def open_own(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open our file at `path` and return its descriptor, which the caller closes.

    Raises FileNotFoundError, ForeignFileError, and OSError if it cannot be opened.
    """
    _check(path, path.lstat())  # opening alone may have an effect on a device
    fd = os.open(path, flags | FLAGS)
    try:
        _check(path, os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_or_create_own(path: Path) -> int:
    """Open our file at `path` for reading and writing; if there is none, create it for us alone.

    What is there and is not ours is removed or moved aside first. Raises OSError.
    """
    with suppress(FileNotFoundError, ForeignFileError):
        return open_own(path, os.O_RDWR)
    make_way(path)
    with suppress(FileExistsError):  # another of our processes was faster
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | FLAGS, 0o600)
    return open_own(path, os.O_RDWR)


@contextmanager
def opened_own(path: Path, flags: int = os.O_RDONLY) -> Generator[int]:
    """Yield the descriptor that `open_own` returns."""
    fd = open_own(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def read_own(path: Path, max_bytes: int) -> bytes:
    """Read our file at `path`; raise as `open_own`, and ForeignFileError if it has more than `max_bytes`."""
    with opened_own(path) as fd:
        size = os.fstat(fd).st_size
        if size > max_bytes:
            raise ForeignFileError(0, f"it has {size} bytes, at most {max_bytes} are read", str(path))
        with open(fd, "rb", closefd=False) as file:
            return file.read(max_bytes)


def make_way(path: Path) -> Path | None:
    """Remove what is at `path` and is not ours; return where it is now if it could only be moved aside.

    Raises OSError if neither is possible.
    """
    try:
        own_status(path)
    except ForeignFileError as error:
        aside = _displace(path)
        log.warning(
            "%s is not ours: %s; it is %s and made again",
            path,
            error.strerror,
            f"moved to {aside}" if aside else "removed",
        )
        return aside
    return None


def make_way_for_rename(path: Path) -> Path | None:
    """Move a directory at `path` aside; anything else is replaced by a rename. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        return _displace(path)
    return None


def _displace(path: Path) -> Path | None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return None
    with suppress(OSError):  # not empty
        path.rmdir()
        return None
    aside = path.with_name(f".{path.name}.foreign-{os.urandom(4).hex()}")
    return path.rename(aside)


def _check(path: Path, status: os.stat_result) -> None:
    why = why_foreign(status, frozenset({os.geteuid()}))
    if why and status.st_uid != os.geteuid():  # a file server may give our files to another user
        why = why_foreign(status, _own_uids(path.parent))
    if why:
        raise ForeignFileError(0, why, str(path))


def _own_uids(folder: Path) -> frozenset[int]:
    """Return the users that our own files may belong to in a folder."""
    try:
        return frozenset({os.geteuid(), _created_uid(folder)})
    except OSError:  # a full or read-only disk
        return frozenset({os.geteuid()})


@cache
def _created_uid(folder: Path) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_uid
