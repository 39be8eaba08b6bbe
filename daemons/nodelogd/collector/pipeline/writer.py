"""The writer thread: takes batches and commands from the event loop in order, and syncs when that is due."""

from __future__ import annotations

import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

from nodelogd.collector.pipeline.arena import Arena
from nodelogd.collector.pipeline.background_sync import BackgroundSync
from nodelogd.collector.pipeline.batches import Batches
from nodelogd.collector.pipeline.sync_schedule import SyncMode, SyncSchedule
from nodelogd.collector.pipeline.writer_commands import Close, ForgetStream, Rotate
from nodelogd.collector.store.commits import SyncJob
from nodelogd.collector.store.transient_errors import RETRY_INTERVAL, is_transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.pipeline.arena import ArenaPool, Receipts
    from nodelogd.collector.pipeline.disk_errors import DiskErrors
    from nodelogd.collector.pipeline.sync_schedule import SyncPolicy
    from nodelogd.collector.store.log_store import LogStore

Command = Arena | Rotate | ForgetStream | Close | tuple[SyncJob, OSError | None]

TICK = 1.0  # seconds between checks for what no batch brings up


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterReports:
    """Where a writer reports what happened. The callbacks run in its threads."""

    metrics: Metrics
    on_open: Callable[[OSError | None], None]
    """Called once: the store is open, or it failed with an error that only an operator can fix."""
    on_stored: Callable[[Receipts], None]
    """Called with the receipts of a batch once it is stored as the policy requires."""
    on_file_closed: Callable[[], None]
    """Called when a file that will not be written to again is synced and closed."""


class Writer:
    """Owns the store, in a thread of its own. The public methods are called from other threads."""

    def __init__(
        self,
        open_store: Callable[[Callable[[int], None]], LogStore],
        arenas: ArenaPool,
        policy: SyncPolicy,
        reports: WriterReports,
        disk_errors: DiskErrors,
    ) -> None:
        """Prepare; `start` starts the threads.

        `open_store` is called in the writer thread, with a function that syncs and closes a descriptor.
        """
        self._open_store = open_store
        self._arenas = arenas
        self._policy = policy
        self._reports = reports
        self._metrics = reports.metrics
        self._disk_errors = disk_errors
        self._on_stored = reports.on_stored
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self._rotation_requested = Event()
        self._background_sync = BackgroundSync(
            reports.metrics, lambda job, error: self._commands.put((job, error)), reports.on_file_closed
        )
        self._busy_since: float | None = None
        self._ticked_at = time.monotonic()
        self._schedule = SyncSchedule(policy, self._ticked_at)
        self._thread = Thread(target=self._run, name="write", daemon=True)

    def start(self) -> None:
        """Start the threads, which open the store and write."""
        self._background_sync.start()
        self._thread.start()

    def put(self, arena: Arena) -> None:
        """Queue a batch; its arena comes back by `ArenaPool.release`."""
        self._commands.put(arena)

    def rotate(self) -> None:
        """Request a rotation: after what is queued, or before a batch that the disk refuses."""
        self._rotation_requested.set()
        self._commands.put(Rotate())

    def forget(self, stream: bytes) -> None:
        """Queue the removal of a stream from the table."""
        self._commands.put(ForgetStream(stream))

    def last_durable_block(self, stream: bytes) -> int:
        """Return the number of the last durable block of a stream, or 0. Thread-safe.

        With syncs off, that is the last one written.
        """
        return self._store.streams.last_block(stream, written=self._policy.mode is SyncMode.OFF)

    def close(self, timeout: float) -> bool:
        """Write and sync everything queued; False if that is not done within `timeout` seconds."""
        self._commands.put(Close())
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def seconds_stuck(self) -> float:
        """Return how long the current step has been running, in seconds; 0 while an error is reported."""
        since = self._busy_since
        return 0.0 if since is None or self._disk_errors.is_failing else time.monotonic() - since

    def _run(self) -> None:
        self._busy_since = time.monotonic()
        if not self._open():
            return
        store, batches = self._store, self._batches
        while True:
            command = self._next()
            self._busy_since = now = time.monotonic()
            match command:
                case Arena():
                    self._write(command)
                    self._schedule.note_written(now)
                case Rotate():
                    batches.rotate_if_requested()
                case ForgetStream():
                    store.streams.forget(command.stream)
                case (job, error):
                    self._note_synced(job, error)
                case Close():
                    batches.retry(batches.close)
                    self._background_sync.close()
                    self._busy_since = None
                    return
                case None:
                    pass
            self._sync_if_due(time.monotonic())
            if now - self._ticked_at >= TICK:
                self._ticked_at = now
                batches.retry(store.tick)
            self._busy_since = None

    def _open(self) -> bool:
        while True:
            try:
                self._store = self._open_store(self._background_sync.sync_and_close)
            except OSError as error:
                if not is_transient(error):
                    self._reports.on_open(error)
                    return False
                self._disk_errors.report(error, "open")
                time.sleep(RETRY_INTERVAL)
            else:
                self._disk_errors.note_success()
                break
        self._batches = Batches(
            self._store, self._policy.mode, self._disk_errors, self._finish, self._rotation_requested
        )
        self._reports.on_open(None)
        return True

    def _next(self) -> Command | None:
        is_awaited = bool(self._batches.held)
        wait = min(TICK, self._schedule.seconds_until_sync(time.monotonic(), is_awaited=is_awaited))
        try:
            return self._commands.get(timeout=wait) if wait else self._commands.get_nowait()
        except Empty:
            return None

    def _write(self, arena: Arena) -> None:
        size, metrics, start = arena.end, self._metrics, time.perf_counter()
        self._batches.write(arena)
        metrics.write_seconds.observe(time.perf_counter() - start)
        self._arenas.note_written(size)
        metrics.written.inc(size)
        metrics.batch_bytes.observe(size)
        metrics.last_write.set_to_current_time()

    def _finish(self, arena: Arena) -> None:
        """Report the receipts of a stored batch and release its arena."""
        if arena.receipts:
            self._on_stored(arena.receipts)
        self._arenas.release(arena)

    def _sync_if_due(self, now: float) -> None:
        is_awaited = bool(self._batches.held)
        if self._schedule.seconds_until_sync(now, is_awaited=is_awaited):
            return
        if not is_awaited:
            self._sync_in_background()
        elif self._commands.empty():  # write what is queued first, so one sync covers it; arenas bound that
            self._schedule.start_awaited_sync(now)
            self._batches.retry(self._batches.sync)

    def _sync_in_background(self) -> None:
        try:
            job = self._store.commits.sync_job()
        except OSError:  # no free descriptor at the moment
            self._schedule.postpone_background_sync(time.monotonic(), TICK)
            return
        self._schedule.start_background_sync(is_needed=job is not None)
        if job:
            self._background_sync.sync(job)

    def _note_synced(self, job: SyncJob, error: OSError | None) -> None:
        self._schedule.end_background_sync()
        if not error:
            self._store.commits.note_synced(job)
        elif self._store.commits.is_current(job):
            self._batches.rewrite_held()
