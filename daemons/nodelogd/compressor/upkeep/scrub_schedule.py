"""When to scrub: so long after the last time, whoever made it, a daemon or `--once`."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.upkeep.scrub import Scrubbed

log = logging.getLogger(__name__)


class Scrubs:
    """Remembers the last scrub as the time of an empty file."""

    def __init__(self, stamp: Path, every: float | None, metrics: Metrics) -> None:
        """Scrub when `stamp` is so many seconds old; never for None."""
        self._stamp = stamp
        self._every = every
        self._metrics = metrics

    def is_due(self, now: float) -> bool:
        """Say whether to scrub now; where nothing is known, everything is new. Raises OSError."""
        if self._every is None:
            return False
        try:
            last = self._stamp.stat().st_mtime
        except FileNotFoundError:
            self._note(now)
            return False
        if last > now:  # the clock was set back
            self._note(now)
            return False
        self._metrics.last_scrub.set(last)
        return now - last >= self._every

    def note(self, archive: Path, found: Scrubbed) -> None:
        """Count and say what a scrub found. Raises OSError."""
        self._metrics.scrubs.labels(
            "damaged" if found.damage else "edited" if found.edited else "clean"
        ).inc()
        if found.damage:
            log.error("%s is damaged: %s; it is made anew", archive, found.damage)
        self._note(time.time())

    def _note(self, now: float) -> None:
        self._stamp.touch(mode=0o600)
        os.utime(self._stamp, (now, now))
        self._metrics.last_scrub.set(now)
