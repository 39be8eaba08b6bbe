"""The output file of an archive: write new pieces and read them back, copy runs of old ones in the kernel."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.format.pieces import Span, decompress_piece
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 4096
"""Bytes; file systems share extents in units of it."""
WRITE_SIZE: Final = 1024 * 1024
"""Bytes that are gathered before they are written."""
_MAX_BUFFERS: Final = 512
"""Buffers per `pwritev`; the kernel takes up to 1024."""
_FICLONERANGE: Final = 0x4020940D


class PreviousArchiveError(OSError):
    """The previous archive cannot be read."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EIO, text)


class Savepoint(NamedTuple):
    """A state of the output to roll back to."""

    position: int
    pieces: int
    copied: int
    compressed: int


class Output:
    """Writes to an open file from its start; positions include bytes that are still gathered in memory."""

    def __init__(self, fd: int, previous_fd: int | None) -> None:
        """Write to `fd`, copy from `previous_fd`."""
        self.position = 0
        self.copied = 0
        self.compressed = 0
        """Bytes of the tar stream."""
        self._fd = fd
        self._previous_fd = previous_fd
        self._written = 0
        self._gathered: list[bytes] = []
        self._run = (0, 0)  # start and length of the run to be copied next
        self._new: list[tuple[int, Span]] = []

    def write(self, data: bytes) -> None:
        """Write these bytes."""
        self._copy_run()
        self._gathered.append(data)
        self.position += len(data)
        if self.position - self._written >= WRITE_SIZE:
            self._write_gathered()

    def write_piece(self, data: bytes, size: int, crc: int) -> Span:
        """Write a piece that holds `size` bytes of the tar stream."""
        span = Span(len(data), size, crc)
        self._new.append((self.position, span))
        self.compressed += size
        self.write(data)
        return span

    def copy(self, start: int, length: int) -> None:
        """Copy bytes of the previous archive; adjacent ranges are copied in one call."""
        run_start, run_length = self._run
        if not run_length or run_start + run_length != start:
            self.flush()
            run_start, run_length = start, 0
        else:
            self._write_gathered()
        self._run = (run_start, run_length + length)
        self.position += length
        self.copied += length

    def read_previous_piece(self, start: int, span: Span) -> bytes | None:
        """Return the content of a piece of the previous archive, or None if it is damaged."""
        assert self._previous_fd is not None  # noqa: S101 (without one there is no piece)
        data = os.pread(self._previous_fd, span.length, start)
        return piece_content(data, span.size, span.crc)

    def savepoint(self) -> Savepoint:
        """Return the current state, for `roll_back`."""
        return Savepoint(self.position, len(self._new), self.copied, self.compressed)

    def roll_back(self, savepoint: Savepoint) -> None:
        """Discard everything written since."""
        self.flush()
        os.ftruncate(self._fd, savepoint.position)
        self.position = self._written = savepoint.position
        self.copied, self.compressed = savepoint.copied, savepoint.compressed
        del self._new[savepoint.pieces :]

    def flush(self) -> None:
        """Write all gathered bytes to the file."""
        self._copy_run()
        self._write_gathered()

    def verify_new_pieces(self) -> Iterator[None]:
        """Read the new pieces back, one per step. Raises OSError if one differs from what was compressed."""
        good = (b"", 0)
        for position, span in self._new:
            data = os.pread(self._fd, span.length, position)
            # The pieces of a hole are all identical.
            if good != (data, span.crc) and not is_intact(data, span.size, span.crc):
                raise OSError(errno.EIO, f"a piece at {position} did not read back as it was written")
            good = (data, span.crc)
            yield

    def _write_gathered(self) -> None:
        while self._gathered:
            done = os.pwritev(self._fd, self._gathered[:_MAX_BUFFERS], self._written)
            self._written += done
            while self._gathered and done >= len(self._gathered[0]):
                done -= len(self._gathered.pop(0))
            if done:
                self._gathered[0] = self._gathered[0][done:]

    def _copy_run(self) -> None:
        start, left = self._run
        self._run = (0, 0)
        assert self._previous_fd is not None or not left  # noqa: S101 (without one nothing is copied)
        while left and self._previous_fd is not None:
            done = copy_range(self._previous_fd, self._fd, left, start, self._written)
            if not done:
                raise PreviousArchiveError("the previous archive is shorter than it was")
            start, left, self._written = start + done, left - done, self._written + done


def copy_range(source: int, fd: int, length: int, start: int, position: int) -> int:
    """Copy up to `length` bytes of a file; return how many, 0 only at its end. Raises OSError.

    In the kernel if that can, else in user space. Kernels and file systems that cannot have answered with a
    dozen errors, some of no name, and with 0; reading and writing shows what is wrong, and with which file.
    """
    with suppress(OSError):
        if done := os.copy_file_range(source, fd, length, start, position):
            return done
    return os.pwrite(fd, _read_range(source, min(length, WRITE_SIZE), start), position)


def _read_range(source: int, length: int, start: int) -> bytes:
    try:
        return os.pread(source, length, start)
    except OSError as error:
        raise PreviousArchiveError(
            f"the previous archive cannot be read at {start}: {error.strerror}"
        ) from error


def piece_content(data: bytes, size: int, crc: int) -> bytes | None:
    """Return the bytes of the tar stream that a piece holds, or None if their length or checksum is wrong."""
    try:
        found = decompress_piece(data, size)
    except ValueError:
        return None
    return found if len(found) == size and crc32(found) == crc else None


def is_intact(data: bytes, size: int, crc: int) -> bool:
    """Return whether a piece holds the bytes of the tar stream that it should."""
    return piece_content(data, size, crc) is not None


def shares_extents(fd: int) -> bool:
    """Return whether this file system copies by sharing extents. The file is empty before and after.

    Raises OSError if the disk is full.
    """
    try:
        os.pwrite(fd, bytes(BLOCK), 0)
        fcntl.ioctl(fd, _FICLONERANGE, struct.pack("=qQQQ", fd, 0, BLOCK, BLOCK))
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:  # a full disk proves nothing
            raise
        return False
    finally:
        os.ftruncate(fd, 0)
    return True
