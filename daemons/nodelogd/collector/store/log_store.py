"""The log store: one thread appends to the active file, notices changes by others, and rotates it.

A method that raises OSError has changed nothing that matters and may be called again with the same
arguments: it continues where it stopped. After a `SyncError`, however, `restart_in_new_file` must be called,
and all batches that the caller still holds are appended again.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.collector.store.active_file import creating_successor, opening
from nodelogd.collector.store.commits import Commits, SyncError
from nodelogd.collector.store.file_operations import boot_id, copy_tail, file_size_limit
from nodelogd.collector.store.permissions import Permissions
from nodelogd.collector.store.sealing import RotationErrors, Sealer
from nodelogd.collector.store.startup import recover_log
from nodelogd.collector.store.stream_table import StreamTable
from nodelogd.service.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.active_file import ActiveFile
    from nodelogd.collector.store.file_names import FileNames

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """When a file is rotated, and who may read it."""

    rotate_size: int = 256 * 1024 * 1024  # bytes
    rotate_age: float = 86_400.0  # seconds since the file was created
    mode: int | None = None  # of the log; None keeps that of an existing file


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNeighbours:
    """What a store uses of the parts around it."""

    close_file: Callable[[int], None] = os.close
    """Gets the descriptor of every file that is no longer active, to sync and close it."""
    is_connected: Callable[[bytes], bool] = lambda _: False
    """Returns True for a stream that must not be forgotten."""
    health: Health = field(default_factory=Health)
    """Shows rotations that are refused."""


class LogStore:
    """Appends whole batches to one file; `commits` knows which are written and durable, and syncs them."""

    def __init__(
        self,
        names: FileNames,
        settings: StoreSettings,
        metrics: Metrics,
        neighbours: StoreNeighbours | None = None,
    ) -> None:
        """Recover what the last run left and start a journal. Raises OSError."""
        neighbours = neighbours or StoreNeighbours()
        self.names = names
        self._settings = settings
        self._metrics = metrics
        self._rotate_size = min(settings.rotate_size, file_size_limit())
        self._close_file = neighbours.close_file
        self._rotation_errors = RotationErrors(names, metrics, neighbours.health)
        start = recover_log(names, boot_id=boot_id())
        self.streams = StreamTable(start.streams, neighbours.is_connected)
        self._sealer = Sealer(names, metrics, start.last_sealed)
        self._has_left_path = False  # our file is not at the log's path any more; a new one must follow it
        with opening(names.log) as self._file:
            if settings.mode is not None:
                self._file.set_mode(settings.mode)
            self.commits = Commits(self._file, start, self.streams, self._sealer, metrics)
        self._rotate_at = self._rotation_time(start.created_at)
        metrics.recoveries.labels(start.result).inc()

    def append(self, data: memoryview, last_blocks: Mapping[bytes, int], *, is_awaited: bool = False) -> int:
        """Write a batch of whole lines and return the offset where it starts.

        `last_blocks` has the number of the last block of each stream in the batch. A batch that has blocks or
        `is_awaited` is made durable before its file is sealed.
        """
        self._check_for_changes()
        commits = self.commits
        if not commits.pending and self._must_rotate_for(len(data)):
            self.rotate()
        record = commits.pending or commits.record(data, last_blocks)
        try:
            self._file.append(data)
        except OSError as error:
            if error.errno != errno.EFBIG or not self._file.end:
                raise
            self.rotate()  # to a file in which there is room again; it forgets the record
            record = commits.pending or commits.record(data, last_blocks)
            self._file.append(data)
        commits.note_written(record, is_awaited=is_awaited or bool(last_blocks))
        return record.start

    def verify_position(self) -> None:
        """Check that the last batch lies where its record says; it must not be acknowledged before that."""
        if self._file.was_changed_during_write():
            self._accept_changes()

    def tick(self) -> None:
        """Check for what no batch brings up: a file that was moved away, or has reached its age."""
        self._check_for_changes()
        if not self._file.is_at_path():
            self._report_departure("replaced")
            self.rotate()
        elif self._file.end and self._is_rotation_due():
            self.rotate()

    def rotate(self) -> None:
        """Seal the file and continue in a new one; if it cannot be sealed, continue in it and report that.

        An empty file stays the active one. A file that is no longer at its path is left without a seal.
        """
        if self.commits.is_awaited:
            self.commits.sync()
        self._file.undo_partial_write()
        if not self._file.is_at_path():
            self._follow_path()
        elif self._file.end:
            with self._going_on_if_refused():
                # Should the file be gone before its successor has a journal, this one knows what was in it.
                self.commits.mark_end()
                self._replace(is_sealed=True)

    def restart_in_new_file(self, cut: int | None) -> None:
        """Continue in a new file after a failed sync, or in the old one if it cannot be sealed.

        The old file is truncated at offset `cut`, where the batches start that the caller appends again.
        """
        self._file.undo_partial_write()
        size = os.fstat(self._file.fd).st_size
        if cut is not None and size > cut:
            if size != self._file.end:  # foreign lines are cut off with ours
                copy_tail(self._file.fd, cut, self.names.torn_path(self._sealer.next_number()))
            self._file.truncate(cut)
        self.streams.discard_unsynced()
        if not self._file.is_at_path():
            self._follow_path()
            return
        with self._going_on_if_refused():
            self._replace(is_sealed=self._file.end > 0)
        if self._rotation_errors.is_refused:
            # The batches that are appended again make their pages dirty again, so a sync will cover them.
            self.commits.switch_file(self._file, time.time())

    def close(self) -> None:
        """Sync, and record that anything behind the end is not ours. Raises OSError."""
        self.commits.close()
        os.close(self._file.fd)

    def _check_for_changes(self) -> None:
        """Handle what another program did to our file: appended to it, truncated it or removed it."""
        self._file.undo_partial_write()
        status = os.fstat(self._file.fd)
        if not status.st_nlink:
            self._report_departure("removed")
            self.rotate()
        elif status.st_size != self._file.end:
            self._accept_changes()

    def _accept_changes(self) -> None:
        """Continue at the end of the file as another program left it, with a new journal."""
        what = "truncated" if os.fstat(self._file.fd).st_size < self._file.end else "appended"
        size = self._file.terminate_last_line()
        self._report_change(what, f"it continues at {size} instead of {self._file.end} bytes")
        self.commits.restart_journal(size)

    def _report_departure(self, what: str) -> None:
        if not self._has_left_path:
            self._has_left_path = True
            self._report_change(what, "writing continues in a new file")

    def _report_change(self, what: str, consequence: str) -> None:
        self._metrics.foreign.labels(what).inc()
        text = "another program changed the log (%s); %s"
        log.warning(text, what, consequence, extra={"path": str(self.names.log)})

    def _must_rotate_for(self, size: int) -> bool:
        """Return whether a batch of this size belongs into a new file."""
        file = self._file
        is_full = file.end > 0 and file.end + size > self._rotate_size
        return self._has_left_path or (is_full and self._rotation_errors.is_due())

    def _is_rotation_due(self) -> bool:
        """Return whether the file has reached its age, or a refused rotation can be tried again."""
        errors = self._rotation_errors
        is_too_large = errors.is_refused and self._file.end > self._rotate_size
        return (is_too_large or time.monotonic() >= self._rotate_at) and errors.is_due()

    @contextmanager
    def _going_on_if_refused(self) -> Generator[None]:
        """Report an OSError of the body; raise it only if the file has left its path."""
        try:
            yield
        except OSError as error:
            if self._has_left_path or isinstance(error, SyncError):
                raise
            self._rotation_errors.note_refusal(error)
        else:
            self._rotation_errors.note_success()

    def _replace(self, *, is_sealed: bool) -> None:
        """Put a new file at the log's path and continue in it; the old one `is_sealed`, or vanishes.

        Raises OSError. If the file is then still at the path, it stays the active one.
        """
        created_at, last_number = time.time(), self._sealer.last_number
        number = self._sealer.last_number = self._sealer.next_number()  # the new journal names it
        try:
            with creating_successor(self.names.log, Permissions.of(self._file.fd)) as successor:
                seal = partial(self._sealer.seal, self._file, successor, number)
                move = partial(successor.move_to, self.names.log)
                self.commits.switch_file(successor, created_at, seal if is_sealed else move)
        except OSError:
            self._has_left_path = not self._file.is_at_path()
            if not self._has_left_path:
                self._sealer.last_number = last_number
            raise
        self._continue_in(successor, created_at)

    def _follow_path(self) -> None:
        """Leave a file that is not at the log's path any more, and continue in the one that is there."""
        created_at = time.time()
        with opening(self.names.log, Permissions.of(self._file.fd)) as file:
            self.commits.switch_file(file, created_at)
        self._continue_in(file, created_at)

    def _continue_in(self, file: ActiveFile, created_at: float) -> None:
        self._close_file(self._file.fd)
        self._file, self._has_left_path = file, False
        self._rotate_at = self._rotation_time(created_at)

    def _rotation_time(self, created_at: float) -> float:
        """Return when a file reaches its age, by the monotonic clock."""
        return time.monotonic() + self._settings.rotate_age - max(0.0, time.time() - created_at)
