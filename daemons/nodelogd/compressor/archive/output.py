"""A new archive in the making: pieces written, runs of them copied in the kernel, new ones read back."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.format.pieces import Span, piece, unpacked
from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 4096
"""Bytes; extents are shared in units of it."""
GATHERED: Final = 1024 * 1024
"""Bytes that are written at a time."""
_NO_COPY: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM, errno.EIO}
)
"""With these we copy ourselves: it is not allowed, or we want to know which of the two files failed."""
_FICLONERANGE: Final = 0x4020940D


class DamagedError(OSError):
    """What was written does not read back, or what was to be copied is not there."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EIO, text)


class LostError(DamagedError):
    """The last archive cannot be read."""


class Mark(NamedTuple):
    """A place in the output to return to."""

    position: int
    pieces: int
    copied: int
    compressed: int


class Output:
    """Writes to an open file, from the start; positions count what is still gathered in memory."""

    def __init__(self, fd: int, old: int | None) -> None:
        """Write to `fd`, copy from `old`."""
        self.position = 0
        self.copied = 0
        self.compressed = 0
        """Bytes of the tar stream."""
        self._fd = fd
        self._old = old
        self._written = 0
        self._gathered: list[bytes] = []
        self._run = (0, 0)  # start and length of what is to be copied next
        self._new: list[tuple[int, Span]] = []

    def put(self, data: bytes) -> None:
        """Write some bytes."""
        self._copy_run()
        self._gathered.append(data)
        self.position += len(data)
        if self.position - self._written >= GATHERED:
            self._write()

    def piece(self, data: bytes, size: int, crc: int) -> Span:
        """Write a piece that holds `size` bytes of the tar stream."""
        span = piece(len(data), size, crc)
        self._new.append((self.position, span))
        self.compressed += size
        self.put(data)
        return span

    def copy(self, start: int, length: int) -> None:
        """Copy so many bytes of the old archive; neighbours go in one call."""
        at, have = self._run
        if not have or at + have != start:
            self.flush()
            at, have = start, 0
        else:
            self._write()
        self._run = (at, have + length)
        self.position += length
        self.copied += length

    def old_piece(self, start: int, span: Span) -> bytes | None:
        """Give what a piece of the old archive holds, None if that is not there any more."""
        assert self._old is not None  # noqa: S101 (without one there is no piece)
        data = os.pread(self._old, span.length, start)
        return content(data, span.size, span.crc)

    def mark(self) -> Mark:
        """Remember this place."""
        return Mark(self.position, len(self._new), self.copied, self.compressed)

    def back(self, mark: Mark) -> None:
        """Forget what was written since."""
        self.flush()
        os.ftruncate(self._fd, mark.position)
        self.position = self._written = mark.position
        self.copied, self.compressed = mark.copied, mark.compressed
        del self._new[mark.pieces :]

    def flush(self) -> None:
        """Have everything in the file."""
        self._copy_run()
        self._write()

    def checked(self) -> Iterator[None]:
        """Read the new pieces back, one a step. Raises DamagedError if one is not what was compressed."""
        good = (b"", 0)
        for at, span in self._new:
            data = os.pread(self._fd, span.length, at)
            # The pieces of a hole are all alike.
            if good != (data, span.crc) and not holds(data, span.size, span.crc):
                raise DamagedError(f"a piece at {at} did not read back as it was written")
            good = (data, span.crc)
            yield

    def _write(self) -> None:
        while self._gathered:
            done = os.pwritev(self._fd, self._gathered[:_BUFFERS], self._written)
            self._written += done
            while self._gathered and done >= len(self._gathered[0]):
                done -= len(self._gathered.pop(0))
            if done:
                self._gathered[0] = self._gathered[0][done:]

    def _copy_run(self) -> None:
        start, left = self._run
        self._run = (0, 0)
        while left:
            done = _copied(self._old, self._fd, left, start, self._written)
            if not done:
                raise LostError("the last archive is shorter than it was")
            start, left, self._written = start + done, left - done, self._written + done


_BUFFERS: Final = 512  # the kernel takes 1024 at a time


def _copied(old: int | None, new: int, length: int, start: int, at: int) -> int:
    assert old is not None  # noqa: S101 (without one nothing is copied)
    try:
        return os.copy_file_range(old, new, length, start, at)
    except OSError as error:
        if error.errno not in _NO_COPY:
            raise
    try:
        data = os.pread(old, min(length, GATHERED), start)
    except OSError as error:
        raise LostError(f"the last archive cannot be read at {start}: {error.strerror}") from error
    return os.pwrite(new, data, at)


def content(data: bytes, size: int, crc: int) -> bytes | None:
    """Give the bytes of the tar stream that a piece holds, None if they are not as many or others."""
    try:
        found = unpacked(data, size)
    except ValueError:
        return None
    return found if len(found) == size and crc32(found) == crc else None


def holds(data: bytes, size: int, crc: int) -> bool:
    """Say whether a piece holds these bytes of the tar stream."""
    return content(data, size, crc) is not None


def shares_extents(fd: int) -> bool:
    """Find out whether this file system copies by sharing. The file is empty before and after.

    Raises OSError if the disk is full.
    """
    try:
        os.pwrite(fd, bytes(BLOCK), 0)
        fcntl.ioctl(fd, _FICLONERANGE, struct.pack("=qQQQ", fd, 0, BLOCK, BLOCK))
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:  # that says nothing
            raise
        return False
    finally:
        os.ftruncate(fd, 0)
    return True
