"""The active file: whole batches are appended to it, or nothing of them."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class ActiveFile:
    """A file that is appended to; `end` is where it ends as far as we know, bytes.

    Others may append to it, cut it, move it or remove it at any time; the methods that ask say so.
    """

    def __init__(self, path: Path) -> None:
        """Open it, as it is or new. Raises OSError."""
        self._path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        self.fd = os.open(path, flags, 0o640)
        self.end = 0
        self._partial = 0  # how many bytes of an unfinished batch it ends with
        self._is_short = False  # of space, at the last try

    def begin_at(self, end: int) -> None:
        """Expect the file to end here."""
        os.lseek(self.fd, end, os.SEEK_SET)
        self.end = end

    def append(self, data: memoryview) -> None:
        """Write a batch. On OSError nothing of it is left in the file, and it may be tried again."""
        try:
            if self._is_short:
                self._look_for_space(len(data))
            while self._partial < len(data):
                self._partial += os.write(self.fd, data[self._partial :])
        except OSError as error:
            # While we wait for space, readers see whole lines.
            with suppress(OSError):
                self.take_back()
            self._is_short = error.errno == errno.ENOSPC
            raise
        self.end += self._partial
        self._partial, self._is_short = 0, False

    def take_back(self) -> None:
        """Cut off what an unfinished batch left, if that did not succeed at once."""
        if self._partial and os.fstat(self.fd).st_size == self.end + self._partial:
            os.ftruncate(self.fd, self.end)
        self._partial = 0

    def went_elsewhere(self) -> bool:
        """Say whether somebody appended or cut between our look at the file and our last write."""
        return os.lseek(self.fd, 0, os.SEEK_CUR) != self.end

    def is_at_its_path(self) -> bool:
        """Say whether its path still leads to it."""
        try:
            return os.path.samestat(os.fstat(self.fd), self._path.stat())
        except FileNotFoundError:
            return False

    def end_in_a_line(self) -> int:
        """Give the real length, after an LF has ended an unfinished last line."""
        size = os.fstat(self.fd).st_size
        if size and os.pread(self.fd, 1, size - 1) != b"\n":
            size += os.write(self.fd, b"\n")
        return size

    def cut(self, end: int) -> None:
        """Cut off everything from `end` on."""
        os.ftruncate(self.fd, end)
        self.end = end

    def _look_for_space(self, size: int) -> None:
        """Raise OSError while there is less space than a write takes.

        One that stops half-way and is taken back leaves half a line for readers to see, and a `tail -f` that
        finds the file shorter than before prints it all anew: once, not with every try.
        """
        status = os.fstatvfs(self.fd)
        if status.f_blocks and status.f_bfree * status.f_frsize < size:  # some say nothing of their blocks
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def begun(path: Path) -> Generator[ActiveFile]:
    """Open it, and let go of it should that be in vain. Raises OSError."""
    file = ActiveFile(path)
    try:
        yield file
    except OSError:
        os.close(file.fd)
        raise
