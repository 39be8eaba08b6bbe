"""A lock that allows one cycle at a time on the same archives; it is released when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nodelogd.service.files.own_files import open_or_create_own

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

RETRY_INTERVAL: Final = 0.1  # seconds


class BusyError(Exception):
    """Another process is running a cycle; the message names it."""


@contextmanager
def hold_cycle_lock(path: Path, pause: Callable[[float], bool]) -> Generator[None]:
    """Hold the lock for the duration of the block.

    While another process holds it, call `pause` with the seconds to wait; if that returns False, raise
    BusyError. A lock file that is not ours is replaced, whoever holds it. Raises OSError if the file cannot
    be opened.
    """
    while True:
        fd = open_or_create_own(path)
        try:
            if _try_lock(fd, path):
                _write_holder(fd)
                yield
                return
            holder = _read_holder(fd)
        finally:
            os.close(fd)
        if not pause(RETRY_INTERVAL):
            raise BusyError(f"{path} is held by {holder}")


def _try_lock(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with suppress(FileNotFoundError):  # the file was removed meanwhile; the next attempt creates it
        return os.path.samestat(os.fstat(fd), path.lstat())
    return False


def _read_holder(fd: int) -> str:
    return os.pread(fd, 200, 0).decode(errors="replace").strip() or "an unknown process"


def _write_holder(fd: int) -> None:
    """Write who holds the lock, unless the file already says so: an idle cycle must not write anything."""
    text = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
    if os.pread(fd, 200, 0) != text:
        with suppress(OSError):  # the lock works without a name, for instance on a full disk
            os.ftruncate(fd, 0)
            os.pwrite(fd, text, 0)
