"""Errors of the disk: logged once, shown as not ready while they last, cleared by the first success."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from nodelogd.collector.store.transient_errors import RETRY_INTERVAL
from nodelogd.service.files.free_space import describe_error

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.collector.metrics import Metrics
    from nodelogd.service.health import Health

log = logging.getLogger(__name__)


class DiskErrors:
    """The error state of the disk that a writer writes to."""

    def __init__(self, path: Path, metrics: Metrics, health: Health) -> None:
        """Start without an error. `path` is named where an error names no file."""
        self._path = path
        self._metrics = metrics
        self._health = health
        self._failing_since: float | None = None
        self._last_message = ""

    @property
    def is_failing(self) -> bool:
        """True from the first failure to the next success."""
        return self._failing_since is not None

    def report(self, error: OSError, action: str) -> None:
        """Count a failed action (open, write, sync); log it unless it is the same as before."""
        self._metrics.failures.labels(action).inc()
        text = (
            f"cannot {action} {error.filename or self._path}: {describe_error(error, self._path.parent)}; "
            f"reading is paused, nothing is lost, retrying every {RETRY_INTERVAL:g} s"
        )
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        if text != self._last_message:
            self._last_message = text
            log.error(text)
        self._health.set_not_ready("disk", text)

    def note_success(self) -> None:
        """End the error state, if there is one."""
        if self._failing_since is not None:
            log.info("writing again after %.1f s", time.monotonic() - self._failing_since)
            self._failing_since, self._last_message = None, ""
            self._health.clear_not_ready("disk")
