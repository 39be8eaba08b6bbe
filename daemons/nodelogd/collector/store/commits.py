"""What of the active file is announced, written and durable: its journal, and the last block of each stream.

A method that raises OSError has changed nothing that counts and may be called again with the same
arguments. `SyncError` is the exception to that: the kernel has marked pages clean that never reached the
disk, so another sync would succeed and lie.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.collector.pipeline.background_sync import Unsynced, at_once
from nodelogd.collector.store.file_operations import JournalFile
from nodelogd.collector.store.journal_format import CLOSED, Header, Record
from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.active_file import ActiveFile
    from nodelogd.collector.store.file_names import Names
    from nodelogd.collector.store.sealing import Seals
    from nodelogd.collector.store.startup import Start
    from nodelogd.collector.store.stream_table import Streams


class SyncError(OSError):
    """A sync failed: what was written since the last one may be gone, whatever the next sync says."""


class Commits:
    """Batches by their numbers: `number` is the last one written, `synced` the last one that is durable."""

    def __init__(  # noqa: PLR0913, PLR0917 (what it is put together from)
        self,
        file: ActiveFile,
        names: Names,
        start: Start,
        streams: Streams,
        seals: Seals,
        metrics: Metrics,
    ) -> None:
        """Begin a journal for a file, where the last run ended. Raises OSError."""
        self._names = names
        self._streams = streams
        self._seals = seals
        self._metrics = metrics
        self._boot = start.boot
        self._generation = start.generation
        self.number = self.synced = start.number
        self.pending: Record | None = None  # of a batch that is not written whole yet
        self.is_awaited = False  # somebody waits until all that was written is durable
        self._durable = 0  # what of the file is known to be on the disk, bytes
        self._journal = self._begun(file, file.end_in_a_line(), start.born)

    def begin(self, file: ActiveFile, born: float) -> None:
        """Leave the journal for one of another file, which was begun then."""
        self._replace(self._begun(file, file.end_in_a_line(), born))

    def begin_anew(self, end: int) -> None:
        """Begin a new journal for the same file at offset `end`; what is before it is made durable."""
        self._sync(self._file.fd)
        self._replace(self._begun(self._file, end, self._born))

    def announce(self, data: memoryview, pairs: Mapping[bytes, int]) -> Record:
        """Write the record of a batch. From here on its bytes and its place are fixed."""
        record = Record(
            number=self.number + 1,
            start=self._file.end,
            end=self._file.end + len(data),
            durable=self._durable,
            crc=crc32(data),
            pairs=pairs,
        )
        entry = record.encode()
        if not self._journal.takes(entry):
            self.begin_anew(self._file.end)
        self._journal.append(entry)
        self.pending = record
        return record

    def note_written(self, record: Record, *, is_awaited: bool) -> None:
        """Note that the batch is in the file."""
        self.pending = None
        self.number = record.number
        self._streams.write(record.pairs)
        self.is_awaited |= is_awaited

    def mark(self, flags: int = 0) -> None:
        """Leave word of what is durable, as an empty batch; no other one follows in this journal."""
        number, end = self.number + 1, self._file.end
        record = Record(number=number, start=end, end=end, durable=self._durable, crc=0, flags=flags)
        self._journal.append(record.encode())

    def sync(self) -> None:
        """Make all that was written durable. Raises SyncError."""
        if self.synced < self.number:
            # At once, for the two then share a commit of the file system. Neither has to be first: a record
            # whose lines are missing ends a recovery, and so do lines that have no record.
            at_once(partial(self._sync, self._file.fd), partial(self._sync, self._journal.fd))
            self._settle(self.number, self._file.end, self._streams.fresh)

    def unsynced(self) -> Unsynced | None:
        """Say what another thread would have to sync; None if all is durable."""
        if self.synced == self.number:
            return None
        # A descriptor of its own: each open file hears of a failed write-back once, and ours has to.
        journal = os.dup(self._journal.fd)
        try:
            file = os.open(f"/proc/self/fd/{self._file.fd}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(journal)
            raise
        return Unsynced(
            file=file,
            journal=journal,
            generation=self._generation,
            number=self.number,
            end=self._file.end,
            pairs=dict(self._streams.fresh),
        )

    def was_synced(self, part: Unsynced) -> None:
        """Take note of a sync that another thread did."""
        if self.is_current(part) and part.number > self.synced:
            self._settle(part.number, part.end, part.pairs)

    def is_current(self, part: Unsynced) -> bool:
        """Say whether that sync was about the journal that is written to now."""
        return part.generation == self._generation

    def close(self) -> None:
        """Sync, and leave word that whatever comes behind the end is not ours."""
        self.sync()
        self.mark(CLOSED)
        self._sync(self._journal.fd)
        self._journal.close()

    def _begun(self, file: ActiveFile, end: int, born: float) -> JournalFile:
        """Put a new journal in the place of the old one: of a file that is durable up to its `end`."""
        status = os.fstat(file.fd)
        header = Header(
            generation=self._generation + 1,
            device=status.st_dev,
            inode=status.st_ino,
            base=end,
            first=self.number + 1,
            sealed=self._seals.last,
            born=born,
            boot=self._boot,
            streams=self._streams.everything(),
        )
        journal = JournalFile(self._names.journal, header.encode())
        file.begin_at(end)
        self._file, self._born = file, born
        self._generation, self.pending = header.generation, None
        self._settle(self.number, end, self._streams.fresh)
        return journal

    def _replace(self, journal: JournalFile) -> None:
        self._journal.close()
        self._journal = journal

    def _settle(self, number: int, end: int, pairs: Mapping[bytes, int]) -> None:
        self.synced, self._durable = number, end
        self.is_awaited &= number < self.number
        self._streams.settle(pairs)
        self._metrics.streams.set(len(self._streams.durable))

    def _sync(self, fd: int) -> None:
        try:
            with self._metrics.sync_seconds.time():
                os.fdatasync(fd)
        except OSError as error:
            raise SyncError(error.errno, error.strerror, str(self._names.log)) from error
