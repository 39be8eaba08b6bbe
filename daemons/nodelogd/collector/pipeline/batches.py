"""Batches on their way to the disk: written, held until they are durable, written once more if a sync fails.

A disk that is full or fails stops nothing but the batch in hand: it is tried again every second, its arena
is not given back meanwhile, and so reading waits. Whoever may still be told that a batch is stored finds it
in `held` until it is durable, for after a failed sync it is written once more, into a new file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nodelogd.collector.pipeline.writer_commands import Mode
from nodelogd.collector.store.commits import SyncError
from nodelogd.collector.store.file_operations import RETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.pipeline.arena import Arena, Arenas
    from nodelogd.collector.pipeline.disk_errors import Trouble
    from nodelogd.collector.store.log_store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """A batch that is written at `start` of the file and not durable yet."""

    arena: Arena
    number: int
    start: int


class Batches:
    """Those of one store, whose thread this is."""

    def __init__(  # noqa: PLR0913, PLR0917 (what it is put together from)
        self,
        store: Store,
        arenas: Arenas,
        mode: Mode,
        trouble: Trouble,
        metrics: Metrics,
        on_stored: Callable[[Mapping[RelpConnection, int]], None],
    ) -> None:
        """Begin with none. `on_stored` hears of the receipts of a batch once it is stored as `mode` says."""
        self._store = store
        self._arenas = arenas
        self._mode = mode
        self._trouble = trouble
        self._metrics = metrics
        self._on_stored = on_stored
        self._beginning_again = False
        self.held: list[Held] = []

    def write(self, arena: Arena) -> None:
        """Write a batch, however long that takes; its arena goes back once it is not needed any more."""
        size = arena.end
        with self._metrics.write_seconds.time():
            self._append(arena)
        self._arenas.wrote(size)
        self._metrics.written.inc(size)
        self._metrics.batch_bytes.observe(size)
        self._metrics.last_write.set_to_current_time()

    def sync(self) -> None:
        """Make what is held durable. Raises OSError."""
        self._store.confirm()
        self._store.commits.sync()
        self._release()

    def close(self) -> None:
        """Make everything durable, and let go of the store. Raises OSError."""
        if self.held:
            self.sync()
        self._store.close()

    def steadily(self, step: Callable[[], T]) -> T:
        """Make a step until it succeeds."""
        while True:
            try:
                result = step()
            except SyncError as error:
                self._trouble.report(error, "sync")
                self.begin_again()
                time.sleep(RETRY)
            except OSError as error:
                self._trouble.report(error, "write")
                time.sleep(RETRY)
            else:
                if not self._beginning_again:
                    self._trouble.end()
                return result

    def begin_again(self) -> None:
        """Write what is held once more, into a new file; the next sync says whether that went well."""
        before, self._beginning_again = self._beginning_again, True
        self._release()
        held, self.held = self.held, []
        self.steadily(partial(self._store.begin_again, held[0].start if held else None))
        for each in held:
            self._append(each.arena)
        self._beginning_again = before

    def _append(self, arena: Arena) -> None:
        mode = self._mode
        waits = mode is not Mode.OFF and (arena.fence or (mode is Mode.BATCH and bool(arena.receipts)))
        data = arena.view[: arena.end]
        start = self.steadily(partial(self._store.append, data, arena.pairs, is_awaited=waits))
        self._release()
        # Lines behind a held batch are held too: after a failed sync the file is cut where that one begins.
        if self.held or waits:
            self.held.append(Held(arena, self._store.commits.number, start))
        else:
            self.steadily(self._store.confirm)
            self._give_back(arena)

    def _release(self) -> None:
        """Let go of what is durable."""
        while self.held and self.held[0].number <= self._store.commits.synced:
            self._give_back(self.held.pop(0).arena)

    def _give_back(self, arena: Arena) -> None:
        if arena.receipts:
            self._on_stored(arena.receipts)
        self._arenas.give_back(arena)
