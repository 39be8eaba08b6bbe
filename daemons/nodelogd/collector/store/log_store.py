"""The active file: appended to, found changed by others, sealed and followed by a new one, by one thread.

A method that raises OSError has changed nothing that counts and may be called again with the same
arguments: what was half done is taken up where it stopped. After a `SyncError`, though, `begin_again` is
called, and all batches the caller still holds are appended once more.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.collector.store.active_file import begun
from nodelogd.collector.store.commits import Commits
from nodelogd.collector.store.file_operations import boot_id, copy_tail
from nodelogd.collector.store.sealing import Seals
from nodelogd.collector.store.startup import take_over
from nodelogd.collector.store.stream_table import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.file_names import Names

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """When a file is full."""

    rotate_size: int = 256 * 1024 * 1024  # bytes
    rotate_age: float = 86_400.0  # seconds since the file was begun


class Store:
    """Whole batches at the end of one file; `commits` says which, and syncs them."""

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
        start = take_over(names, boot=boot_id())
        self.streams = Streams(start.streams, is_connected)
        self._seals = Seals(names, metrics, start.sealed)
        self._leaving = False  # our file has left its place, and is to be followed by a new one
        with begun(names.log) as self._file:
            self.commits = Commits(self._file, names, start, self.streams, self._seals, metrics)
        self._due = self._grown_old(start.born)
        metrics.recoveries.labels(start.result).inc()
        if start.result == "moved":
            log.warning("the file that the journal speaks of is gone; going on in a new one")

    def append(self, data: memoryview, pairs: Mapping[bytes, int], *, is_awaited: bool = False) -> int:
        """Write a batch of whole lines and give the offset it begins at.

        `pairs` says which streams have blocks in it, and the last block of each. One that `is_awaited` is not
        left behind in a sealed file before it is durable, and none with blocks is.
        """
        self._look()
        commits, file = self.commits, self._file
        if not commits.pending and file.end and file.end + len(data) > self._settings.rotate_size:
            self.turn_over()
        record = commits.pending or commits.announce(data, pairs)
        self._file.append(data)
        commits.note_written(record, is_awaited=is_awaited or bool(pairs))
        return record.start

    def confirm(self) -> None:
        """See that the last batch lies where its record says; before that, nobody may be told of it."""
        if self._file.went_elsewhere():
            self._adopt()

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
        if self.commits.is_awaited:
            self.commits.sync()
        self._file.take_back()
        if self._file.is_at_its_path():
            if not self._file.end:
                return
            # Should the file be gone before its successor has a journal, this one still knows what was in it.
            self.commits.mark()
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
        self.commits.close()
        os.close(self._file.fd)

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
        self.commits.begin_anew(size)

    def _note_departure(self, what: str) -> None:
        if not self._leaving:
            self._leaving = True
            self._note_foreign(what, "writing goes on in a new file")

    def _note_foreign(self, what: str, now: str) -> None:
        self._metrics.foreign.labels(what).inc()
        log.warning("somebody else changed the log (%s); %s", what, now, extra={"path": str(self.names.log)})

    def _begin_file(self, born: float) -> None:
        """Leave the file and its journal, go on in the file that is now at the log's path."""
        with begun(self.names.log) as file:
            self.commits.begin(file, born)
        self._on_left(self._file.fd)
        self._file, self._leaving = file, False
        self._due = self._grown_old(born)

    def _grown_old(self, born: float) -> float:
        """Say when a file that was begun then is to be sealed, by the clock that is never set."""
        return time.monotonic() + self._settings.rotate_age - max(0.0, time.time() - born)
