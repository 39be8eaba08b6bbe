"""Syncs in the background, in a thread of their own: for lines nobody waits for an acknowledgement of."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsynced:
    """What a sync in the background has to cover: descriptors, and the last batch written to them."""

    file: int
    journal: int
    generation: int
    number: int
    end: int
    pairs: Mapping[bytes, int]


class Syncer:
    """One sync at a time; a disk that hangs holds up nobody but this thread."""

    def __init__(
        self,
        metrics: Metrics,
        on_synced: Callable[[Unsynced, OSError | None], None],
        on_left: Callable[[], None],
    ) -> None:
        """Report a sync by `on_synced`, a file that was left by `on_left`, both from this thread."""
        self._metrics = metrics
        self._on_synced = on_synced
        self._on_left = on_left
        self._jobs: SimpleQueue[Unsynced | int | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def sync(self, part: Unsynced) -> None:
        """Make the journal durable, then the lines it speaks of; close the descriptors."""
        self._jobs.put(part)

    def leave(self, file: int) -> None:
        """Sync and close a file that nothing is added to any more."""
        self._jobs.put(file)

    def close(self) -> None:
        """Finish what was asked for."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, int):
                self._sync_all(job)
                self._on_left()
            else:
                # Lines that are on the disk before their record would be cut off after a power loss.
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


def at_once(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Take two steps at the same time, and return when both have ended. Raises what one of them raised."""
    failures: list[OSError] = []

    def beside() -> None:
        try:
            second()
        except OSError as error:
            failures.append(error)

    # Not of a pool, whose threads are waited for at the end of the program, even those on a disk that hangs.
    thread = threading.Thread(target=beside, name="sync beside", daemon=True)
    thread.start()
    try:
        first()
    finally:
        thread.join()
    if failures:
        raise failures[0]
