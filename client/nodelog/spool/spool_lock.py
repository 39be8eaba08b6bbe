"""One process per spool: a lock file beside the spool, released when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.own_descriptor import OwnDescriptor
from nodelog.spool.blocks import SpoolError, SpoolInUseError
from nodelog.spool.own_file import open_own
from nodelog.unpatched import sleep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_RETRY_PAUSES: Final = (0.001, 0.01, 0.05)  # seconds


class SpoolLock:
    """Holds the lock of a spool from its creation until `release`. Raises SpoolError if another holds it.

    The lock belongs to the open file, which a forked child shares: it is held until both have closed it, so a
    child closes it at once.
    """

    def __init__(self, path: Path, *, retries: bool = True) -> None:
        self._pauses = (0.0, *_RETRY_PAUSES) if retries else (0.0,)
        self._path = path.with_name(f"{path.name}.lock")
        self._file: OwnDescriptor | None = self._open_and_lock(path)
        while not self.is_held():  # the last holder removed it in the meantime
            self.release()
            self._file = self._open_and_lock(path)
        forked = weakref.WeakMethod(self.release)
        os.register_at_fork(after_in_child=lambda: (release := forked()) and release())

    def is_held(self) -> bool:
        """Return whether this is the lock, still: neither its file was removed nor its descriptor closed."""
        try:
            return self._file is not None and self._file.stands_for(self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _open_and_lock(self, path: Path) -> OwnDescriptor:
        try:
            fd = open_own(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise SpoolError(f"cannot open {self._path}: {error.strerror}; choose another spool") from None
        if not _try_flock(fd, self._pauses):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            raise SpoolInUseError(
                f"{path} is in use by {holder}; one process per file: choose another; for several processes "
                f"write {{pid}} into its name ({path.stem}-{{pid}}{path.suffix}), or give a folder"
            ) from None
        with suppress(OSError):  # on a full disk the holder stays unnamed
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        return OwnDescriptor(fd)


def _try_flock(fd: int, pauses: Iterable[float]) -> bool:
    """Acquire the lock if no owner holds it; retry, as `inspection` may hold it for a moment."""
    for pause in pauses:
        sleep(pause)
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
