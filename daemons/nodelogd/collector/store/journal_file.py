"""The journal on disk, with its space allocated in advance."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nodelogd.service.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_SIZE = 4 * 1024 * 1024  # bytes; or four times the header with its stream table, if that is more
END_MARK_SIZE = 64  # bytes; more than a record without blocks takes


class JournalFile:
    """A journal on disk; its space is allocated in advance, so a full disk does not stop it."""

    def __init__(self, path: Path, header: bytes) -> None:
        """Write a new journal that begins with `header` and replace the old one by it, durably."""
        self._size = max(JOURNAL_SIZE, 4 * len(header))
        with publish_atomically(path, mode=0o600) as file:
            file.write(header)
            file.flush()
            os.posix_fallocate(file.fileno(), 0, self._size)
        self._offset = len(header)
        self.fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def has_room_for(self, record: bytes) -> bool:
        """Return whether a record still fits, with an empty record behind it that marks the end."""
        return self._offset + len(record) + END_MARK_SIZE <= self._size

    def append(self, record: bytes) -> None:
        """Write a record after the last one. Raises OSError; the call may simply be repeated."""
        view = memoryview(record)
        at = self._offset
        while view:
            written = os.pwrite(self.fd, view, at)
            at, view = at + written, view[written:]
        self._offset = at

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)
