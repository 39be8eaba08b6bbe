"""One process per spool: a lock file beside the spool, released when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import SpoolError
from nodelog.spool.own_file import open_own

if TYPE_CHECKING:
    from pathlib import Path

_RETRY_PAUSES: Final = (0.001, 0.01, 0.05)  # seconds


class SpoolLock:
    """Holds the lock of a spool from its creation until `release`. Raises SpoolError if another holds it.

    The lock belongs to the open file, which a forked child shares: it is held until both have closed it, so a
    child closes it at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._fd = self._open_and_lock(path)
        while not self._is_current():  # the last holder removed it in the meantime
            os.close(self._fd)
            self._fd = self._open_and_lock(path)
        forked = weakref.WeakMethod(self.release)
        os.register_at_fork(after_in_child=lambda: (release := forked()) and release())

    def release(self) -> None:
        """Release the lock."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open_and_lock(self, path: Path) -> int:
        try:
            fd = open_own(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise SpoolError(f"cannot open {self._path}: {error.strerror}; choose another spool") from None
        if not _try_flock(fd):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            raise SpoolError(f"{path} is in use by {holder}; one process per spool: choose another") from None
        with suppress(OSError):  # on a full disk the holder stays unnamed
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        return fd

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except FileNotFoundError:
            return False


def _try_flock(fd: int) -> bool:
    """Acquire the lock if no owner holds it; retry, as `inspection` may hold it for a moment."""
    for pause in (0.0, *_RETRY_PAUSES):
        time.sleep(pause)
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
