"""The journal on disk, with its space allocated in advance."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nodelogd.collector.store.journal_format import SPARE_SLOT, current_slot
from nodelogd.service.files.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JOURNAL_SIZE = 4 * 1024 * 1024  # bytes; or four times the header with its stream table, if that is more
END_MARK_SIZE = 64  # bytes; more than a record without blocks takes


class JournalFile:
    """A journal on disk; its space is allocated in advance, so a full disk does not stop it."""

    def __init__(self, path: Path, header: bytes, before_publish: Callable[[], None] = lambda: None) -> None:
        """Write a new journal that begins with `header` and replace the old one by it, durably.

        `before_publish` is called once its space is there; if it raises an OSError, the old journal stays.
        """
        self._size = max(JOURNAL_SIZE, 4 * len(header))
        self._start = 0  # offset of the journal in its file, bytes
        is_prepared = False
        try:
            with publish_atomically(path, mode=0o600) as file:
                file.write(header)
                file.flush()
                os.posix_fallocate(file.fileno(), 0, self._size)
                is_prepared = True
                before_publish()
        except OSError:
            if is_prepared or not path.exists():
                raise
            self._replace_in_place(path, header, before_publish)
        self._offset = self._start + len(header)
        self.fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def has_room_for(self, record: bytes) -> bool:
        """Return whether a record still fits, with an empty record behind it that marks the end."""
        return self._offset + len(record) + END_MARK_SIZE <= self._start + self._size

    def append(self, record: bytes) -> None:
        """Write a record after the last one. Raises OSError; the call may simply be repeated."""
        _write_all(self.fd, record, self._offset)
        self._offset += len(record)

    def mark_end(self, record: bytes) -> None:
        """Write a record that the next one overwrites, if one follows. Raises OSError as `append` does."""
        _write_all(self.fd, record, self._offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def _replace_in_place(self, path: Path, header: bytes, before_publish: Callable[[], None]) -> None:
        """Write the new journal into the file of the old one, beside it: no file can be created here."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            journal = os.pread(fd, os.fstat(fd).st_size, 0)
            self._start = 0 if current_slot(journal)[0] else SPARE_SLOT
            os.posix_fallocate(fd, self._start, self._size)
            before_publish()
            # The zeros end it: behind them may be records of an earlier journal.
            _write_all(fd, header + bytes(END_MARK_SIZE), self._start)
            os.fdatasync(fd)
        finally:
            os.close(fd)


def _write_all(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        at, view = at + written, view[written:]
