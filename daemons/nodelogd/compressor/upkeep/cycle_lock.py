"""One cycle at a time on the same archives, whoever makes it: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

POLL: Final = 0.1  # seconds
FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class BusyError(Exception):
    """Another process is at a cycle; the message names it."""


@contextmanager
def locked(path: Path, pause: Callable[[float], bool]) -> Generator[None]:
    """Hold the lock for as long as the block lasts.

    While another process has it, `pause` is called with the seconds to wait; once that gives False,
    BusyError is raised. Raises OSError if the file cannot be opened.
    """
    while True:
        fd = os.open(path, FLAGS, 0o600)
        try:
            if _try(fd, path):
                _sign(fd)
                yield
                return
            holder = _holder(fd)
        finally:
            os.close(fd)
        if not pause(POLL):
            raise BusyError(f"{path} is held by {holder}")


def _try(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with suppress(FileNotFoundError):  # somebody removed it meanwhile; who holds nothing comes again
        return os.path.samestat(os.fstat(fd), path.stat())
    return False


def _holder(fd: int) -> str:
    return os.pread(fd, 200, 0).decode(errors="replace").strip() or "an unknown process"


def _sign(fd: int) -> None:
    """Leave word who holds the lock; only once, since an idle cycle is to write nothing."""
    word = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
    if os.pread(fd, 200, 0) != word:
        with suppress(OSError):  # on a full disk we go without a name
            os.ftruncate(fd, 0)
            os.pwrite(fd, word, 0)
