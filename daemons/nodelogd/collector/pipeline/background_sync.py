"""Background syncs, in a thread of their own: for lines whose senders do not wait for an ack."""

from __future__ import annotations

import logging
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.commits import SyncJob

log = logging.getLogger(__name__)


class BackgroundSync:
    """A thread that runs one sync at a time; a disk that hangs blocks only this thread."""

    def __init__(
        self,
        metrics: Metrics,
        on_synced: Callable[[SyncJob, OSError | None], None],
        on_file_closed: Callable[[], None],
    ) -> None:
        """Prepare the thread; both callbacks run in it."""
        self._metrics = metrics
        self._on_synced = on_synced
        self._on_file_closed = on_file_closed
        self._jobs: SimpleQueue[SyncJob | int | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def sync(self, job: SyncJob) -> None:
        """Sync the journal, then the lines that it describes; close both descriptors."""
        self._jobs.put(job)

    def sync_and_close(self, file: int) -> None:
        """Sync and close a file that will not be written to again."""
        self._jobs.put(file)

    def close(self) -> None:
        """Finish all queued syncs and stop the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, int):
                self._sync_all(job)
                self._on_file_closed()
            else:
                # Lines that reach the disk before their record would be cut off after a power loss.
                self._on_synced(job, self._sync_all(job.journal, job.file))

    def _sync_all(self, *files: int) -> OSError | None:
        failure = None
        for file in files:
            try:
                with self._metrics.sync_seconds.time():
                    os.fdatasync(file)
            except OSError as error:
                failure = error
                self._metrics.failures.labels("sync").inc()
                log.error("a sync in the background failed: %s", error)  # noqa: TRY400 (one line, no traceback)
            finally:
                os.close(file)
        return failure
