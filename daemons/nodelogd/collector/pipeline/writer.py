"""The writer's thread: takes batches and orders from the loop, one by one, and syncs when it is due."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from nodelogd.collector.pipeline.arena import Arena
from nodelogd.collector.pipeline.background_sync import Syncer, Unsynced
from nodelogd.collector.pipeline.batches import Batches
from nodelogd.collector.pipeline.disk_errors import Trouble
from nodelogd.collector.pipeline.sync_schedule import Schedule
from nodelogd.collector.pipeline.writer_commands import Close, Forget, Mode, SyncPolicy, TurnOver
from nodelogd.collector.store.file_operations import RETRY, is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.pipeline.arena import Arenas
    from nodelogd.collector.store.log_store import Store
    from nodelogd.service.health import Health

Order = Arena | TurnOver | Forget | Close | tuple[Unsynced, OSError | None]

TICK = 1.0  # seconds between two looks at what no batch brings up


class Writer:
    """Owns the store. All but `put`, `turn_over`, `close` and `waiting` happens in its own thread."""

    def __init__(  # noqa: PLR0913 (each of them is somebody the writer talks to)
        self,
        log_path: Path,
        open_store: Callable[[Callable[[int], None]], Store],
        arenas: Arenas,
        policy: SyncPolicy,
        *,
        metrics: Metrics,
        health: Health,
        on_open: Callable[[OSError | None], None],
        on_stored: Callable[[Mapping[RelpConnection, int]], None],
        on_finished_file: Callable[[], None],
    ) -> None:
        """Prepare; `start` begins.

        `open_store` is given what to do with a file that is left. `on_open` hears once that the store is
        open, or of the error that only an operator can mend. `on_stored` hears of the receipts of a batch
        once it is stored as the policy says. All are called from the writer's threads.
        """
        self._open_store = open_store
        self._arenas = arenas
        self._policy = policy
        self._metrics = metrics
        self._trouble = Trouble(log_path, metrics, health)
        self._on_open = on_open
        self._on_stored = on_stored
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._syncer = Syncer(metrics, lambda part, error: self._orders.put((part, error)), on_finished_file)
        self._busy_since: float | None = None
        self._ticked_at = time.monotonic()
        self._schedule = Schedule(policy, self._ticked_at)
        self._thread = Thread(target=self._run, name="write", daemon=True)

    def start(self) -> None:
        """Open the store and write from now on."""
        self._syncer.start()
        self._thread.start()

    def put(self, arena: Arena) -> None:
        """Have a batch written; its arena comes back by `Arenas.give_back`."""
        self._orders.put(arena)

    def turn_over(self) -> None:
        """Have the file sealed."""
        self._orders.put(TurnOver())

    def forget(self, stream: bytes) -> None:
        """Have a stream forgotten."""
        self._orders.put(Forget(stream))

    def durable(self, stream: bytes) -> int:
        """Give the last block of a stream that is durable, 0 for none; for any thread.

        Where nothing is ever synced that is the last one written.
        """
        return self._store.streams.last_block(stream, written=self._policy.mode is Mode.OFF)

    def close(self, timeout: float) -> bool:
        """Write and sync all that was put; False if that was not done within `timeout` seconds."""
        self._orders.put(Close())
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def waiting(self) -> float:
        """Give the seconds that a step has been going on for, without an error so far."""
        since = self._busy_since
        return 0.0 if since is None or self._trouble.is_there else time.monotonic() - since

    def _run(self) -> None:
        self._busy_since = time.monotonic()
        if not self._open():
            return
        store, batches = self._store, self._batches
        while True:
            order = self._next()
            self._busy_since = now = time.monotonic()
            match order:
                case Arena():
                    batches.write(order)
                    self._schedule.note_written(now)
                case TurnOver():
                    batches.steadily(store.turn_over)
                case Forget():
                    store.streams.forget(order.stream)
                case (part, error):
                    self._note_synced(part, error)
                case Close():
                    batches.steadily(batches.close)
                    self._syncer.close()
                    self._busy_since = None
                    return
                case None:
                    pass
            self._sync_if_due(time.monotonic())
            if now - self._ticked_at >= TICK:
                self._ticked_at = now
                batches.steadily(store.tick)
            self._busy_since = None

    def _open(self) -> bool:
        while True:
            try:
                self._store = self._open_store(self._syncer.leave)
            except OSError as error:
                if not is_temporary(error):
                    self._on_open(error)
                    return False
                self._trouble.report(error, "open")
                time.sleep(RETRY)
            else:
                self._trouble.end()
                break
        mode = self._policy.mode
        self._batches = Batches(
            self._store, self._arenas, mode, self._trouble, self._metrics, self._on_stored
        )
        self._on_open(None)
        return True

    def _next(self) -> Order | None:
        is_awaited = bool(self._batches.held)
        wait = min(TICK, self._schedule.until_sync(time.monotonic(), is_awaited=is_awaited))
        try:
            return self._orders.get(timeout=wait) if wait else self._orders.get_nowait()
        except Empty:
            return None

    def _sync_if_due(self, now: float) -> None:
        is_awaited = bool(self._batches.held)
        if self._schedule.until_sync(now, is_awaited=is_awaited):
            return
        if not is_awaited:
            self._sync_in_background()
        elif self._orders.empty():  # what waits is written first: one sync is for all; arenas bound that
            self._schedule.begin(now)
            self._batches.steadily(self._batches.sync)

    def _sync_in_background(self) -> None:
        try:
            part = self._store.commits.unsynced()
        except OSError:  # no descriptor free just now
            self._schedule.put_off(time.monotonic(), TICK)
            return
        self._schedule.begin_in_background(is_needed=part is not None)
        if part:
            self._syncer.sync(part)

    def _note_synced(self, part: Unsynced, error: OSError | None) -> None:
        self._schedule.end_in_background()
        if not error:
            self._store.commits.was_synced(part)
        elif self._store.commits.is_current(part):
            self._batches.begin_again()
