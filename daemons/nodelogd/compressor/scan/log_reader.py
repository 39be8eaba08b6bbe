"""Read a log that other programs write, truncate and remove meanwhile."""

from __future__ import annotations

import errno
import os
import time
from typing import Final

from nodelogd.compressor.format.units import CHUNK

SMALL_READ: Final = 64 * 1024
"""Bytes; a read of at most this many leaves the window where it is."""
_SECTOR: Final = 512


class ShrankError(Exception):
    """The file is shorter than it was a moment ago."""


class UnreadableError(Exception):
    """The file cannot be read."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class LogReader:
    """An open file and a window onto it; the bytes of a read are valid until the next call."""

    def __init__(self, fd: int, buffer: memoryview) -> None:
        """Read from `fd` into `buffer`, which has room for a finished piece."""
        self.fd = fd
        self.bytes_read = 0
        self._buffer = buffer
        self.refresh()

    def refresh(self) -> None:
        """Take the current status of the file and empty the window."""
        self.now_ns = time.time_ns()
        self.status = os.fstat(self.fd)
        self._start = self._length = 0
        self._is_sparse = self.status.st_blocks * _SECTOR < self.status.st_size
        self._data = 0  # where data resumes after the last hole that was looked up

    def read(self, offset: int, length: int) -> memoryview:
        """Return exactly these bytes. Raises ShrankError and UnreadableError."""
        at = offset - self._start
        if at < 0 or at + length > self._length:
            if length <= SMALL_READ:  # the window stays: it is most likely needed again
                return self._filled(memoryview(bytearray(length)), offset)
            self._length = 0
            window = self._buffer[: max(length, min(CHUNK, self.status.st_size - offset))]
            self._start, self._length = offset, len(self._filled(window, offset))
            at = 0
        return self._buffer[at : at + length]

    def is_hole(self, offset: int, length: int) -> bool:
        """Return whether these bytes are zeros that take no space on the disk."""
        if self._is_sparse and offset >= self._data:
            try:
                self._data = os.lseek(self.fd, offset, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise UnreadableError(error) from error
                self._data = self.status.st_size  # no more data
            if os.fstat(self.fd).st_size < self._data:
                raise ShrankError
        return offset + length <= self._data

    def _filled(self, window: memoryview, offset: int) -> memoryview:
        done = 0
        while done < len(window):
            try:
                count = os.preadv(self.fd, [window[done:]], offset + done)
            except OSError as error:
                raise UnreadableError(error) from error
            if not count:
                raise ShrankError
            done += count
        self.bytes_read += done
        return window
