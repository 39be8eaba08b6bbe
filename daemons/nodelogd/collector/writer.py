"""The writer's thread: takes batches from the loop, has the store write them, syncs as told.

A disk that is full or fails stops nothing here but the batch in hand: it is tried again every second, its
arena is not given back meanwhile, and so reading waits. Whoever may still be told that a batch is stored
finds it in `_held` until it is durable, for after a failed sync it is written once more, into a new file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from nodelogd.collector.arena import Arena
from nodelogd.collector.files import RETRY, is_temporary
from nodelogd.collector.orders import Close, Forget, Mode, SyncPolicy, TurnOver
from nodelogd.collector.store import Store, SyncError
from nodelogd.collector.syncing import Syncer, Unsynced
from nodelogd.collector.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nodelogd.collector.arena import Arenas
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.relp import Relp
    from nodelogd.health import Health

T = TypeVar("T")
Order = Arena | TurnOver | Forget | Close | tuple[Unsynced, OSError | None]

TICK = 1.0  # seconds between two looks at what no batch brings up


@dataclass(frozen=True, slots=True)
class Held:
    """A batch that is written at `start` of the file and not durable yet."""

    arena: Arena
    number: int
    start: int


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
        on_stored: Callable[[Mapping[Relp, int]], None],
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
        self._on_finished_file = on_finished_file
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._syncer = Syncer(metrics, lambda part, error: self._orders.put((part, error)), on_finished_file)
        self._held: list[Held] = []
        self._busy_since: float | None = None
        self._sync_began = self._ticked_at = time.monotonic()
        self._dirty_since: float | None = None
        self._in_background = False
        self._beginning_again = False
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
        store = self._open()
        if store is None:
            return
        self._store = store
        while True:
            order = self._next()
            self._busy_since = now = time.monotonic()
            match order:
                case Arena():
                    self._write(order, now)
                case TurnOver():
                    self._steadily(self._store.turn_over)
                case Forget():
                    self._store.streams.forget(order.stream)
                case (part, error):
                    self._note_synced(part, error)
                case Close():
                    self._steadily(self._finish)
                    self._syncer.close()
                    self._busy_since = None
                    return
                case None:
                    pass
            self._sync_if_due(time.monotonic())
            if now - self._ticked_at >= TICK:
                self._ticked_at = now
                self._steadily(self._store.tick)
            self._busy_since = None

    def _next(self) -> Order | None:
        wait, now, delay = TICK, time.monotonic(), self._policy.background
        if self._held:
            wait = max(0.0, self._sync_began + self._policy.gap - now)
        elif delay is not None and self._dirty_since is not None and not self._in_background:
            wait = min(TICK, max(0.0, self._dirty_since + delay - now))
        try:
            return self._orders.get(timeout=wait) if wait else self._orders.get_nowait()
        except Empty:
            return None

    def _open(self) -> Store | None:
        while True:
            try:
                store = self._open_store(self._syncer.leave)
            except OSError as error:
                if not is_temporary(error):
                    self._on_open(error)
                    return None
                self._trouble.report(error, "open")
                time.sleep(RETRY)
            else:
                self._trouble.end()
                self._on_open(None)
                return store

    def _write(self, arena: Arena, now: float) -> None:
        size = arena.end
        with self._metrics.write_seconds.time():
            self._append(arena)
        self._arenas.wrote(size)
        self._metrics.written.inc(size)
        self._metrics.batch_bytes.observe(size)
        self._metrics.last_write.set_to_current_time()
        if self._dirty_since is None:
            self._dirty_since = now

    def _append(self, arena: Arena) -> None:
        waits = self._waits_for_sync(arena)
        data = arena.view[: arena.end]
        start = self._steadily(partial(self._store.append, data, arena.pairs, is_awaited=waits))
        self._release()
        # Lines behind a held batch are held too: after a failed sync the file is cut where that one begins.
        if self._held or waits:
            self._held.append(Held(arena, self._store.number, start))
        else:
            self._steadily(self._store.confirm)
            self._give_back(arena)

    def _waits_for_sync(self, arena: Arena) -> bool:
        mode = self._policy.mode
        return mode is not Mode.OFF and (arena.fence or (mode is Mode.BATCH and bool(arena.receipts)))

    def _give_back(self, arena: Arena) -> None:
        if arena.receipts:
            self._on_stored(arena.receipts)
        self._arenas.give_back(arena)

    def _release(self) -> None:
        """Let go of what is durable."""
        while self._held and self._held[0].number <= self._store.synced:
            self._give_back(self._held.pop(0).arena)

    def _sync_if_due(self, now: float) -> None:
        if self._held:
            # What waits to be written is written first: one sync is for all of it. Arenas bound that.
            if now - self._sync_began >= self._policy.gap and self._orders.empty():
                self._sync_began = now
                self._steadily(self._sync_held)
                self._dirty_since = None
            return
        delay, since = self._policy.background, self._dirty_since
        if delay is not None and since is not None and now - since >= delay and not self._in_background:
            self._sync_in_background()

    def _sync_held(self) -> None:
        self._store.confirm()
        self._store.sync()
        self._release()

    def _sync_in_background(self) -> None:
        try:
            part = self._store.unsynced()
        except OSError:  # no descriptor free just now
            self._dirty_since = time.monotonic() - (self._policy.background or 0.0) + TICK
            return
        self._dirty_since = None
        if part:
            self._in_background = True
            self._syncer.sync(part)

    def _note_synced(self, part: Unsynced, error: OSError | None) -> None:
        self._in_background = False
        if not error:
            self._store.was_synced(part)
        elif self._store.is_current(part):
            self._begin_again()

    def _finish(self) -> None:
        if self._held:
            self._sync_held()
        self._store.close()

    def _steadily(self, step: Callable[[], T]) -> T:
        """Make a step until it succeeds."""
        while True:
            try:
                result = step()
            except SyncError as error:
                self._trouble.report(error, "sync")
                self._begin_again()
                time.sleep(RETRY)
            except OSError as error:
                self._trouble.report(error, "write")
                time.sleep(RETRY)
            else:
                if not self._beginning_again:
                    self._trouble.end()
                return result

    def _begin_again(self) -> None:
        """Write what is held once more, into a new file; the next sync says whether that went well."""
        before, self._beginning_again = self._beginning_again, True
        self._release()
        held, self._held = self._held, []
        self._steadily(partial(self._store.begin_again, held[0].start if held else None))
        for each in held:
            self._append(each.arena)
        self._beginning_again = before
