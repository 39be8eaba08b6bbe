"""Notices that a file was truncated and written again, although it is not shorter than before.

Size and times cannot show it: a log that is truncated and grows past the reader's offset between two looks is
only longer. So a few bytes are kept of what was read, from the file's beginning and from before the offset,
and are compared before more is read.
"""

from __future__ import annotations

import os
from typing import Final

SAMPLE_SIZE: Final = 256
"""Bytes kept from either place; log lines that differ do so within that, most by their time."""


class ContentSample:
    """Bytes of an open file as they were when it was read."""

    def __init__(self) -> None:
        self._head = b""
        self._before = b""  # the offset
        self._offset = 0

    def add(self, fd: int, offset: int, data: bytes) -> None:
        """Keep a sample of `data`, which was read at `offset`. Raises OSError."""
        if not data:
            return
        kept = self._before if offset == self._offset else b""
        self._before = (kept + data[-SAMPLE_SIZE:])[-SAMPLE_SIZE:]
        self._offset = offset + len(data)
        if len(self._head) < SAMPLE_SIZE:
            self._head = os.pread(fd, min(SAMPLE_SIZE, self._offset), 0)

    def matches(self, fd: int) -> bool:
        """Return whether the file still holds the sampled bytes. Raises OSError."""
        before = os.pread(fd, len(self._before), self._offset - len(self._before))
        return before == self._before and os.pread(fd, len(self._head), 0) == self._head
