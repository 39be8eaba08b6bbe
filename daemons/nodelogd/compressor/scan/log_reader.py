"""Read a log that other programs write, truncate and remove meanwhile."""

from __future__ import annotations

import errno
import os
import time
from typing import Final

from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.scan.sparse_extents import MIN_HOLE, SECTOR, Extent, find_extents

SMALL_READ: Final = 64 * 1024
"""Bytes; a read of at most this many leaves the window where it is."""


class ShrankError(Exception):
    """The file is shorter than it was a moment ago."""


class UnreadableError(Exception):
    """The file cannot be read."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class LogReader:
    """An open file and a window onto it; the bytes of a read are valid until the next call.

    The holes of a very sparse file are left out: offsets and `size` do not count them.
    """

    def __init__(self, fd: int, buffer: memoryview) -> None:
        """Read from `fd` into `buffer`, which has room for a finished piece."""
        self.fd = fd
        self.bytes_read = 0
        self.size = 0
        """Bytes of content."""
        self.extents: list[Extent] | None = None
        """Where that is in the file, if holes are left out of it."""
        self._buffer = buffer
        self.refresh()

    def refresh(self) -> None:
        """Take the current status of the file and empty the window."""
        self.now_ns = time.time_ns()
        self.status = os.fstat(self.fd)
        self._start = self._length = 0
        try:
            self.extents = find_extents(self.fd, self.status)
        except OSError as error:
            raise UnreadableError(error) from error
        self.size = self.status.st_size
        if self.extents is not None:
            self.size = sum(extent.length for extent in self.extents)
        self._is_sparse = self.extents is None and self.status.st_blocks * SECTOR < self.size
        self._data = 0  # where data resumes after the last hole that was looked up

    def read(self, offset: int, length: int) -> memoryview:
        """Return exactly these bytes. Raises ShrankError and UnreadableError."""
        at = offset - self._start
        if at < 0 or at + length > self._length:
            if length <= SMALL_READ:  # the window stays: it is most likely needed again
                return self._filled(memoryview(bytearray(length)), offset)
            self._length = 0
            window = self._buffer[: max(length, min(CHUNK, self.size - offset))]
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

    @property
    def ends_in_hole(self) -> bool:
        """Return whether a hole that is left out follows the last content."""
        end = self.extents[-1].end if self.extents else 0
        return self.extents is not None and self.status.st_size - end >= MIN_HOLE

    def file_offset(self, offset: int) -> int:
        """Return where in the file the content before `offset` ends; for all content, the end of the file."""
        if self.extents is None or offset >= self.size:
            return self.status.st_size if offset >= self.size else offset
        for extent in self.extents:
            if offset <= extent.length:
                return extent.offset + offset
            offset -= extent.length
        return self.status.st_size

    def extents_until(self, offset: int) -> list[Extent]:
        """Return where the content before `offset` is in the file."""
        kept = []
        for extent in self.extents or []:
            if offset <= 0:
                break
            kept.append(Extent(extent.offset, min(extent.length, offset)))
            offset -= extent.length
        return kept

    def _filled(self, window: memoryview, offset: int) -> memoryview:
        if self.extents is None:
            return self._filled_from(window, offset)
        done = 0
        for extent in self.extents:
            if offset < extent.length and done < len(window):
                part = window[done : done + extent.length - offset]
                self._filled_from(part, extent.offset + offset)
                done += len(part)
            offset = max(0, offset - extent.length)
        if done < len(window):
            raise ShrankError
        return window

    def _filled_from(self, window: memoryview, offset: int) -> memoryview:
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
