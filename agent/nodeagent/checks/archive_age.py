"""The age and the size of the newest archive."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from nodeagent.checks.newest_archive import newest_archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems

LATE_AFTER: Final = 3
"""An archive is late when it is older than this many intervals."""


class ArchiveAge:
    """Checks that the newest archive whose path matches `pattern` is not late.

    `last_success` returns when a cycle of logcd last succeeded (seconds since the epoch), or None if that is
    unknown. logcd does not rewrite an archive to which it has nothing to add, so that archive only looks old.
    """

    name = "archive"

    def __init__(
        self,
        pattern: Path,
        interval: float,
        last_success: Callable[[], float | None],
        metrics: Metrics,
        problems: Problems,
    ) -> None:
        self._pattern = pattern
        self._interval = interval
        self._last_success = last_success
        self._metrics = metrics
        self._problems = problems
        self._started = time.time()
        self._status: dict[str, object] = {}
        metrics.archive_interval.set(interval)

    async def run(self) -> bool:
        """Check the newest archive; return whether there is one that is not late, or none is due yet."""
        try:
            found = await asyncio.to_thread(newest_archive, self._pattern)
        except OSError as error:
            return self._problems.report(self.name, f"cannot look for {self._pattern}: {error.strerror}")
        if found is None:
            return self._report_no_archive()
        path, file_status = found
        age = self._age_since(file_status.st_mtime)
        self._metrics.archive_size.set(file_status.st_size)
        self._status = {"path": str(path), "age_seconds": round(age, 1), "size_bytes": file_status.st_size}
        limit = LATE_AFTER * self._interval
        text = f"{path} is {age:.0f} s old, at most {limit:.0f} s expected; see logcd's log"
        return self._problems.report(self.name, text if age > limit else "")

    def status(self) -> dict[str, object]:
        """Return what `/status` shows."""
        return self._status

    def _report_no_archive(self) -> bool:
        # Where there is nothing to archive, a successful cycle leaves no archive.
        age = self._age_since(self._started)
        self._metrics.archive_size.set(0)
        self._status = {"path": None}
        text = f"there is no archive at {self._pattern}; see logcd's log"
        return self._problems.report(self.name, text if age > LATE_AFTER * self._interval else "")

    def _age_since(self, updated: float) -> float:
        age = max(0.0, time.time() - max(updated, self._last_success() or 0.0))
        self._metrics.archive_age.set(age)
        return age
