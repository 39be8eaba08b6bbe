"""When to scrub: a fixed time after the last scrub, whether a daemon or `--once` made that one."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from nodelogd.service.files.own_files import ForeignFileError, open_or_create_own, own_status

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.upkeep.archive_scrub import ScrubResult

log = logging.getLogger(__name__)


class ScrubSchedule:
    """Stores the time of the last scrub as the modification time of an empty file."""

    def __init__(self, marker: Path, interval: float | None, metrics: Metrics) -> None:
        """Scrub when `marker` is older than `interval` seconds, or never if that is None."""
        self._marker = marker
        self._interval = interval
        self._metrics = metrics

    def is_due(self, now: float) -> bool:
        """Return whether to scrub now; without a marker the interval starts now. Raises OSError."""
        if self._interval is None:
            return False
        last = self._last()
        if last is None or last > now:  # the first time, or the clock was set back
            self._set_last(now)
            return False
        self._metrics.last_scrub.set(last)
        return now - last >= self._interval

    def record(self, archive: Path, result: ScrubResult) -> None:
        """Count and log what a scrub found, and remember its time. Raises OSError."""
        self._metrics.scrubs.labels(
            "damaged" if result.damage else "edited" if result.edited else "clean"
        ).inc()
        if result.damage:
            log.error("%s is damaged: %s; it is rebuilt", archive, result.damage)
        self._set_last(time.time())

    def _last(self) -> float | None:
        """Return the time of the last scrub, None if there is no marker of our own."""
        try:
            status = own_status(self._marker)
        except ForeignFileError:
            return None
        return None if status is None else status.st_mtime

    def _set_last(self, now: float) -> None:
        fd = open_or_create_own(self._marker)
        try:
            os.utime(fd, (now, now))
        finally:
            os.close(fd)
        self._metrics.last_scrub.set(now)
