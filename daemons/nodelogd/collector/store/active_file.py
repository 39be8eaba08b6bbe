"""The active file: a batch is appended completely or not at all."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nodelogd.collector.store.permissions import DEFAULT_MODE
from nodelogd.service.files.atomic_publish import temporary_path

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from nodelogd.collector.store.permissions import Permissions


log = logging.getLogger(__name__)

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY


class ActiveFile:
    """A file that is appended to; `end` is the offset where it should end, bytes.

    Others may append to it, truncate it, move it or remove it at any time; some methods check for that.
    """

    def __init__(self, path: Path, permissions: Permissions | None = None) -> None:
        """Open the file, or create it with these permissions. Raises OSError."""
        self._path = path
        try:
            self.fd = os.open(path, _FLAGS)
        except FileNotFoundError:
            self.fd = os.open(path, _FLAGS | os.O_CREAT, DEFAULT_MODE)
            if permissions:
                permissions.apply(self.fd)
        self.end = 0
        self._partial = 0  # bytes of an unfinished batch at its end
        self._is_disk_full = False  # at the last attempt

    def seek_end(self, end: int) -> None:
        """Expect the file to end at offset `end`."""
        os.lseek(self.fd, end, os.SEEK_SET)
        self.end = end

    def append(self, data: memoryview) -> None:
        """Write a batch. On OSError nothing of it is left in the file, and the call may be repeated."""
        try:
            if self._is_disk_full:
                self._require_space(len(data))
            while self._partial < len(data):
                self._partial += os.write(self.fd, data[self._partial :])
        except OSError as error:
            # While we wait for space, readers see whole lines.
            with suppress(OSError):
                self.undo_partial_write()
            self._is_disk_full = error.errno == errno.ENOSPC
            raise
        self.end += self._partial
        self._partial, self._is_disk_full = 0, False

    def undo_partial_write(self) -> None:
        """Cut off what an unfinished batch left, if that failed when the write failed."""
        if self._partial and os.fstat(self.fd).st_size == self.end + self._partial:
            os.ftruncate(self.fd, self.end)
        self._partial = 0

    def was_changed_during_write(self) -> bool:
        """Return whether another program changed the file between our check and our last write."""
        return os.lseek(self.fd, 0, os.SEEK_CUR) != self.end

    def is_at_path(self) -> bool:
        """Return whether its path still leads to this file."""
        try:
            return os.path.samestat(os.fstat(self.fd), self._path.stat())
        except FileNotFoundError:
            return False

    def set_mode(self, mode: int) -> None:
        """Set the mode of the file, if it is ours."""
        try:
            os.fchmod(self.fd, mode)
        except OSError as error:
            log.warning("cannot set the mode of %s to %04o: %s; going on", self._path, mode, error.strerror)

    def move_to(self, path: Path) -> None:
        """Rename the file, over whatever has that name. Raises OSError."""
        self._path.rename(path)
        self._path = path

    def terminate_last_line(self) -> int:
        """Append an LF if the last line has none; return the actual length of the file."""
        size = os.fstat(self.fd).st_size
        if size and os.pread(self.fd, 1, size - 1) != b"\n":
            size += os.write(self.fd, b"\n")
        return size

    def truncate(self, end: int) -> None:
        """Cut off everything from offset `end` on."""
        os.ftruncate(self.fd, end)
        self.end = end

    def _require_space(self, size: int) -> None:
        """Raise OSError while the disk has less free space than a write takes.

        A write that stops half-way and is undone shows readers half a line, and a `tail -f` that finds the
        file shorter than before prints all of it again: this way once, not with every attempt.
        """
        status = os.fstatvfs(self.fd)
        if status.f_blocks and status.f_bfree * status.f_frsize < size:  # some report no blocks at all
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def opening(path: Path, permissions: Permissions | None = None) -> Generator[ActiveFile]:
    """Open an active file, or create it with these permissions; close it if the body fails.

    Raises OSError.
    """
    file = ActiveFile(path, permissions)
    try:
        yield file
    except OSError:
        os.close(file.fd)
        raise


@contextmanager
def creating_successor(log: Path, permissions: Permissions) -> Generator[ActiveFile]:
    """Create the next active file beside the log, with a temporary name; the body moves it to the log's path.

    If the body fails, the file is closed, and removed unless it was moved. Raises OSError.
    """
    temporary = temporary_path(log)
    try:
        with opening(temporary, permissions) as file:
            yield file
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
