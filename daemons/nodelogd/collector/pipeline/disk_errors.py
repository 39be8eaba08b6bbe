"""A disk that fails: said once, shown as long as it lasts, taken back when it is over."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from nodelogd.collector.store.file_operations import RETRY

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.collector.metrics import Metrics
    from nodelogd.service.health import Health

log = logging.getLogger(__name__)


class Trouble:
    """What a writer has with its disk."""

    def __init__(self, path: Path, metrics: Metrics, health: Health) -> None:
        """Begin with none."""
        self._path = path
        self._metrics = metrics
        self._health = health
        self._since: float | None = None
        self._said = ""

    @property
    def is_there(self) -> bool:
        """True from the first failure to the first success."""
        return self._since is not None

    def report(self, error: OSError, what: str) -> None:
        """Count a failure of what was tried; say it unless it is the same as before."""
        self._metrics.failures.labels(what).inc()
        text = (
            f"cannot {what} {error.filename or self._path}: {os.strerror(error.errno or 0)}; "
            f"reading is paused, nothing is lost, retrying every {RETRY:g} s"
        )
        if self._since is None:
            self._since = time.monotonic()
        if text != self._said:
            self._said = text
            log.error(text)
        self._health.set_not_ready("disk", text)

    def end(self) -> None:
        """Note a success."""
        if self._since is not None:
            log.info("writing again after %.1f s", time.monotonic() - self._since)
            self._since, self._said = None, ""
            self._health.clear_not_ready("disk")
