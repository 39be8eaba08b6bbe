"""What of the active file is recorded, written and durable: its journal, and the last block of each stream.

A method that raises OSError has changed nothing that matters and may be called again with the same
arguments. `SyncError` is the exception: the kernel has marked pages clean that never reached the disk, so
another sync would succeed although they are missing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.collector.store.journal_file import JournalFile
from nodelogd.collector.store.journal_format import CLOSED, Header, Record
from nodelogd.collector.store.parallel_sync import sync_in_parallel
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.active_file import ActiveFile
    from nodelogd.collector.store.sealing import Sealer
    from nodelogd.collector.store.startup import StartState
    from nodelogd.collector.store.stream_table import StreamTable


class SyncError(OSError):
    """A sync failed: what was written since the last one may be lost, whatever the next sync reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncJob:
    """A sync for another thread: descriptors of its own, and the last batch that it covers."""

    file: int
    journal: int
    generation: int  # of the journal
    number: int  # of the last batch
    end: int  # of that batch in the file, bytes
    last_blocks: Mapping[bytes, int]  # by stream


class Commits:
    """The journal of the active file, and the numbers of the `last_written` and the `last_synced` batch."""

    def __init__(
        self, file: ActiveFile, start: StartState, streams: StreamTable, sealer: Sealer, metrics: Metrics
    ) -> None:
        """Start a journal for a file, where the last run ended. Raises OSError."""
        self._names = sealer.names
        self._streams = streams
        self._sealer = sealer
        self._metrics = metrics
        self._boot_id = start.boot_id
        self._generation = start.generation
        self.last_written = self.last_synced = start.last_batch
        self.pending: Record | None = None  # recorded; its batch is not completely written yet
        self.is_awaited = False  # acks wait until everything written is durable
        self._durable_end = 0  # offset up to which the file is known to be on the disk, bytes
        self._journal = self._create_journal(file, file.terminate_last_line(), start.created_at)

    def switch_file(
        self, file: ActiveFile, created_at: float, move: Callable[[], None] = lambda: None
    ) -> None:
        """Replace the journal by one of another file, which was created at `created_at`.

        `move` gives the files their names, once there is space for the journal. Raises OSError.
        """
        self._replace(self._create_journal(file, file.terminate_last_line(), created_at, move))

    def restart_journal(self, end: int) -> None:
        """Sync the file and start a new journal for it, from offset `end` on. Raises OSError."""
        self._sync(self._file.fd)
        self._replace(self._create_journal(self._file, end, self._created_at))

    def record(self, data: memoryview, last_blocks: Mapping[bytes, int]) -> Record:
        """Write the record of a batch. From here on its bytes and its place are fixed."""
        record = Record(
            number=self.last_written + 1,
            start=self._file.end,
            end=self._file.end + len(data),
            durable=self._durable_end,
            crc=crc32(data),
            last_blocks=last_blocks,
        )
        entry = record.encode()
        if not self._journal.has_room_for(entry):
            self.restart_journal(self._file.end)
        self._journal.append(entry)
        self.pending = record
        return record

    def note_written(self, record: Record, *, is_awaited: bool) -> None:
        """Note that the batch is in the file."""
        self.pending = None
        self.last_written = record.number
        self._streams.note_written(record.last_blocks)
        self.is_awaited |= is_awaited

    def mark_end(self, flags: int = 0) -> None:
        """Record what is durable, as an empty batch; a batch that follows after all replaces it."""
        number, end = self.last_written + 1, self._file.end
        record = Record(number=number, start=end, end=end, durable=self._durable_end, crc=0, flags=flags)
        self._journal.mark_end(record.encode())

    def sync(self) -> None:
        """Make everything written durable. Raises SyncError."""
        if self.last_synced < self.last_written:
            # In parallel, because then both share a commit of the file system. Neither has to be first: a
            # record whose lines are missing ends a recovery, and so do lines that have no record.
            sync_in_parallel(partial(self._sync, self._file.fd), partial(self._sync, self._journal.fd))
            self._note_durable(self.last_written, self._file.end, self._streams.unsynced)

    def sync_job(self) -> SyncJob | None:
        """Return what another thread has to sync; None if everything is durable. Raises OSError."""
        if self.last_synced == self.last_written:
            return None
        # The file is opened again: each open file reports a failed write-back once, and ours must report it.
        journal = os.dup(self._journal.fd)
        try:
            file = os.open(f"/proc/self/fd/{self._file.fd}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(journal)
            raise
        return SyncJob(
            file=file,
            journal=journal,
            generation=self._generation,
            number=self.last_written,
            end=self._file.end,
            last_blocks=dict(self._streams.unsynced),
        )

    def note_synced(self, job: SyncJob) -> None:
        """Note that another thread has synced this."""
        if self.is_current(job) and job.number > self.last_synced:
            self._note_durable(job.number, job.end, job.last_blocks)

    def is_current(self, job: SyncJob) -> bool:
        """Return whether the sync was for the current journal."""
        return job.generation == self._generation

    def close(self) -> None:
        """Sync, and record that anything behind the end is not ours. Raises OSError."""
        self.sync()
        self.mark_end(CLOSED)
        self._sync(self._journal.fd)
        self._journal.close()

    def _create_journal(
        self, file: ActiveFile, end: int, created_at: float, move: Callable[[], None] = lambda: None
    ) -> JournalFile:
        """Replace the journal on disk by a new one, for a file that is durable up to `end`."""
        status = os.fstat(file.fd)
        header = Header(
            generation=self._generation + 1,
            device=status.st_dev,
            inode=status.st_ino,
            base=end,
            first_batch=self.last_written + 1,
            last_sealed=self._sealer.last_number,
            created_at=created_at,
            boot_id=self._boot_id,
            streams=self._streams.snapshot(),
        )
        journal = JournalFile(self._names.journal, header.encode(), move)
        file.seek_end(end)
        self._file, self._created_at = file, created_at
        self._generation, self.pending = header.generation, None
        self._note_durable(self.last_written, end, self._streams.unsynced)
        return journal

    def _replace(self, journal: JournalFile) -> None:
        self._journal.close()
        self._journal = journal

    def _note_durable(self, number: int, end: int, last_blocks: Mapping[bytes, int]) -> None:
        self.last_synced, self._durable_end = number, end
        self.is_awaited &= number < self.last_written
        self._streams.note_durable(last_blocks)
        self._metrics.streams.set(len(self._streams.durable))

    def _sync(self, fd: int) -> None:
        try:
            with self._metrics.sync_seconds.time():
                os.fdatasync(fd)
        except OSError as error:
            raise SyncError(error.errno, error.strerror, str(self._names.log)) from error
