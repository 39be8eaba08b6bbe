"""The active file and its journal: appended to, synced and sealed by one thread.

A method that raises OSError has changed nothing that counts and may be called again with the same
arguments: what was half done is taken up where it stopped. `SyncError` is the exception to that: the
kernel has marked pages clean that never reached the disk, so another sync would succeed and lie. After it
`begin_again` is called, and all batches the caller still holds are appended once more.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.collector.active import ActiveFile
from nodelogd.collector.files import JournalFile, boot_id, copy_tail
from nodelogd.collector.journal import CLOSED, Header, Record
from nodelogd.collector.opening import take_over
from nodelogd.collector.seals import Seals
from nodelogd.collector.streams import Streams
from nodelogd.collector.syncing import Unsynced, at_once
from nodelogd.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.names import Names

log = logging.getLogger(__name__)


class SyncError(OSError):
    """A sync failed: what was written since the last one may be gone, whatever the next sync says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """When a file is full."""

    rotate_size: int = 256 * 1024 * 1024  # bytes
    rotate_age: float = 86_400.0  # seconds since the file was begun


class Store:
    """Whole batches at the end of one file, and a journal that says which."""

    def __init__(
        self,
        names: Names,
        settings: StoreSettings,
        metrics: Metrics,
        on_left: Callable[[int], None] = os.close,
        is_connected: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        """Recover what the last run left and begin a journal.

        `on_left` is given the descriptor of every file that is left, to sync its lines and close it. A stream
        of which `is_connected` says so is never forgotten.
        """
        self.names = names
        self._settings = settings
        self._metrics = metrics
        self._on_left = on_left
        self._boot = boot_id()
        start = take_over(names, boot=self._boot)
        self.streams = Streams(start.streams, is_connected)
        self._is_awaited = False  # somebody waits until all that was written is durable
        self._generation = start.generation
        self.number = self.synced = start.number  # of the last batch written, of the last durable one
        self._seals = Seals(names, metrics, start.sealed)
        self._durable = 0  # what of the file is known to be on the disk, bytes
        self._pending: Record | None = None  # of a batch that is not written whole yet
        self._born = start.born
        self._leaving = False  # our file has left its place, and is to be followed by a new one
        self._file, self._journal = self._new_file(start.born)
        metrics.recoveries.labels(start.result).inc()
        if start.result == "moved":
            log.warning("the file that the journal speaks of is gone; going on in a new one")

    def append(self, data: memoryview, pairs: Mapping[bytes, int], *, is_awaited: bool = False) -> int:
        """Write a batch of whole lines and give the offset it begins at.

        `pairs` says which streams have blocks in it, and the last block of each. One that `is_awaited` is not
        left behind in a sealed file before it is durable, and none with blocks is.
        """
        self._look()
        if (
            self._pending is None
            and self._file.end
            and self._file.end + len(data) > self._settings.rotate_size
        ):
            self.turn_over()
        record = self._pending or self._announce(data, pairs)
        self._file.append(data)
        self._pending = None
        self.number = record.number
        self.streams.write(pairs)
        self._is_awaited |= is_awaited or bool(pairs)
        return record.start

    def confirm(self) -> None:
        """See that the last batch lies where its record says; before that, nobody may be told of it."""
        if self._file.went_elsewhere():
            self._adopt()

    def sync(self) -> None:
        """Make all that was written durable. Raises SyncError."""
        if self.synced < self.number:
            # At once, for the two then share a commit of the file system. Neither has to be first: a record
            # whose lines are missing ends a recovery, and so do lines that have no record.
            at_once(partial(self._sync, self._file.fd), partial(self._sync, self._journal.fd))
            self._settle(self.number, self._file.end, self.streams.fresh)

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
            pairs=dict(self.streams.fresh),
        )

    def was_synced(self, part: Unsynced) -> None:
        """Take note of a sync that another thread did."""
        if self.is_current(part) and part.number > self.synced:
            self._settle(part.number, part.end, part.pairs)

    def is_current(self, part: Unsynced) -> bool:
        """Say whether that sync was about the file that is written to now."""
        return part.generation == self._generation

    def tick(self) -> None:
        """Look after what no batch brings up: a file moved away, or grown old."""
        self._look()
        if not self._file.is_at_its_path():
            self._note_departure("replaced")
            self.turn_over()
        elif self._file.end and time.monotonic() >= self._due:
            self.turn_over()

    def turn_over(self) -> None:
        """Seal the file, if it is still at its place and not empty, and go on in a new one."""
        if self._is_awaited:
            self.sync()
        self._file.take_back()
        if self._file.is_at_its_path():
            if not self._file.end:
                return
            # Should the file be gone before its successor has a journal, this one still knows what was in it.
            self._mark(0)
            self._seals.seal(self._file)
            self._leaving = True
        self._begin_file(time.time())

    def begin_again(self, cut: int | None) -> None:
        """After a failed sync: go on in a new file; the old one is never trusted with a sync again.

        It is cut at the offset `cut`, where what the caller holds and appends once more begins.
        """
        self._file.take_back()
        size = os.fstat(self._file.fd).st_size
        if cut is not None and size > cut:
            if size != self._file.end:  # somebody else's lines go with ours
                copy_tail(self._file.fd, cut, self.names.torn(self._seals.next_number()))
            self._file.cut(cut)
        self.streams.undo()
        if self._file.is_at_its_path():
            if self._file.end:
                self._seals.seal(self._file)
                self._leaving = True
            else:
                self.names.log.unlink()
        self._begin_file(time.time())

    def close(self) -> None:
        """Sync, and leave word that whatever comes behind the end is not ours."""
        self.sync()
        self._mark(CLOSED)
        self._sync(self._journal.fd)
        self._journal.close()
        os.close(self._file.fd)

    def _mark(self, flags: int) -> None:
        """Leave word of what is durable, as an empty batch; no other one follows in this journal."""
        number, end = self.number + 1, self._file.end
        mark = Record(number=number, start=end, end=end, durable=self._durable, crc=0, flags=flags)
        self._journal.append(mark.encode())

    def _announce(self, data: memoryview, pairs: Mapping[bytes, int]) -> Record:
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
            self._sync(self._file.fd)
            self._begin_journal(self._file.end)
        self._journal.append(entry)
        self._pending = record
        return record

    def _look(self) -> None:
        """See whether somebody else wrote to our file, cut it, or removed it."""
        self._file.take_back()
        status = os.fstat(self._file.fd)
        if not status.st_nlink:
            self._note_departure("removed")
            self.turn_over()
        elif status.st_size != self._file.end:
            self._adopt()

    def _adopt(self) -> None:
        """Take the file as somebody else left it: a new journal begins at its end."""
        what = "truncated" if os.fstat(self._file.fd).st_size < self._file.end else "appended"
        size = self._file.end_in_a_line()
        self._note_foreign(what, f"it goes on at {size} instead of {self._file.end} bytes")
        self._sync(self._file.fd)
        self._begin_journal(size)

    def _note_departure(self, what: str) -> None:
        if not self._leaving:
            self._leaving = True
            self._note_foreign(what, "writing goes on in a new file")

    def _note_foreign(self, what: str, now: str) -> None:
        self._metrics.foreign.labels(what).inc()
        log.warning("somebody else changed the log (%s); %s", what, now, extra={"path": str(self.names.log)})

    def _begin_file(self, born: float) -> None:
        """Leave the file and its journal, go on in the file that is now at the log's path."""
        file, journal = self._new_file(born)
        self._journal.close()
        self._on_left(self._file.fd)
        self._file, self._journal = file, journal
        self._leaving = False

    def _begin_journal(self, end: int) -> None:
        """Begin a new journal for the same file at offset `end`; what is before it is durable."""
        journal = self._new_journal(self._file, end, self._born)
        self._journal.close()
        self._journal = journal

    def _new_file(self, born: float) -> tuple[ActiveFile, JournalFile]:
        """Open the file at the log's path, as it is or new, and make a journal for it."""
        file = ActiveFile(self.names.log)
        try:
            journal = self._new_journal(file, file.end_in_a_line(), born)
        except OSError:
            os.close(file.fd)
            raise
        self._due = time.monotonic() + self._settings.rotate_age - max(0.0, time.time() - born)
        return file, journal

    def _new_journal(self, file: ActiveFile, end: int, born: float) -> JournalFile:
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
            streams=self.streams.everything(),
        )
        journal = JournalFile(self.names.journal, header.encode())
        file.begin_at(end)
        self._generation, self._born, self._pending = header.generation, born, None
        self._settle(self.number, end, self.streams.fresh)
        return journal

    def _settle(self, number: int, end: int, pairs: Mapping[bytes, int]) -> None:
        self.synced, self._durable = number, end
        self._is_awaited &= number < self.number
        self.streams.settle(pairs)
        self._metrics.streams.set(len(self.streams.durable))

    def _sync(self, fd: int) -> None:
        try:
            with self._metrics.sync_seconds.time():
                os.fdatasync(fd)
        except OSError as error:
            raise SyncError(error.errno, error.strerror, str(self.names.log)) from error
