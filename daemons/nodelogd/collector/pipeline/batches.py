"""Batches on their way to the disk: written, held until they are durable, rewritten if a sync fails.

A disk that is full or fails stops only the current batch: it is retried every second, its arena is not
released meanwhile, and so reading waits. A batch whose acks wait for a sync stays in `held` until it is
durable, because after a failed sync it is written again, into a new file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nodelogd.collector.pipeline.sync_schedule import SyncMode
from nodelogd.collector.store.commits import SyncError
from nodelogd.collector.store.transient_errors import RETRY_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from nodelogd.collector.pipeline.arena import Arena
    from nodelogd.collector.pipeline.disk_errors import DiskErrors
    from nodelogd.collector.store.log_store import LogStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch that is written at offset `start` of the file and not durable yet."""

    arena: Arena
    number: int
    start: int


class Batches:
    """The batches of one store; used by the writer thread only."""

    def __init__(
        self,
        store: LogStore,
        mode: SyncMode,
        disk_errors: DiskErrors,
        on_stored: Callable[[Arena], None],
        rotation_requested: Event,
    ) -> None:
        """Start with none. `on_stored` gets each arena back once it is stored as `mode` requires.

        While `rotation_requested` is set, the log is sealed even before a batch that the disk does not take.
        """
        self._rotation_requested = rotation_requested
        self._store = store
        self._mode = mode
        self._disk_errors = disk_errors
        self._on_stored = on_stored
        self._is_rewriting = False
        self.held: list[HeldBatch] = []

    def rotate_if_requested(self) -> None:
        """Seal the log if that was requested, however long that takes."""
        if self._rotation_requested.is_set():
            self._rotation_requested.clear()
            self.retry(self._store.rotate)

    def write(self, arena: Arena) -> None:
        """Write a batch, however long that takes."""
        mode = self._mode
        waits = mode is not SyncMode.OFF and (
            arena.fence or (mode is SyncMode.BATCH and bool(arena.receipts))
        )
        data = arena.view[: arena.end]
        start = self.retry(partial(self._store.append, data, arena.last_blocks, is_awaited=waits))
        self._release_durable()
        # Lines behind a held batch are held too: after a failed sync the file is cut where that one begins.
        if self.held or waits:
            self.held.append(HeldBatch(arena, self._store.commits.last_written, start))
        else:
            self.retry(self._store.verify_position)
            self._on_stored(arena)

    def sync(self) -> None:
        """Make the held batches durable. Raises OSError."""
        self._store.verify_position()
        self._store.commits.sync()
        self._release_durable()

    def close(self) -> None:
        """Make everything durable and close the store. Raises OSError."""
        if self.held:
            self.sync()
        self._store.close()

    def retry(self, step: Callable[[], T]) -> T:
        """Repeat a step until it succeeds, and return its result."""
        while True:
            try:
                result = step()
            except SyncError as error:
                self._disk_errors.report(error, "sync")
                self.rewrite_held()
                time.sleep(RETRY_INTERVAL)
            except OSError as error:
                self._disk_errors.report(error, "write")
                time.sleep(RETRY_INTERVAL)
                self._rotate_before_retry()
            else:
                if not self._is_rewriting:
                    self._disk_errors.note_success()
                return result

    def rewrite_held(self) -> None:
        """Write the held batches again, into a new file; the next sync shows whether that worked."""
        before, self._is_rewriting = self._is_rewriting, True
        self._release_durable()
        held, self.held = self.held, []
        self.retry(partial(self._store.restart_in_new_file, held[0].start if held else None))
        for batch in held:
            self.write(batch.arena)
        self._is_rewriting = before

    def _rotate_before_retry(self) -> None:
        """Seal the log if that was requested: a new file may be what the disk accepts."""
        if self._rotation_requested.is_set():
            self._rotation_requested.clear()
            try:
                self._store.rotate()
            except SyncError as error:
                self._disk_errors.report(error, "sync")
                self.rewrite_held()
            except OSError as error:
                self._disk_errors.report(error, "write")

    def _release_durable(self) -> None:
        while self.held and self.held[0].number <= self._store.commits.last_synced:
            self._on_stored(self.held.pop(0).arena)
