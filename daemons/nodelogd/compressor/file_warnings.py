"""Warnings about files: each anomaly is counted every time and logged once per kind and file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.scan.file_access import FileAnomaly

if TYPE_CHECKING:
    from collections.abc import Container

    from nodelogd.compressor.metrics import Metrics

log = logging.getLogger(__name__)

LEVELS: Final = {
    FileAnomaly.UNREADABLE: logging.WARNING,
    FileAnomaly.SHRANK: logging.WARNING,
    FileAnomaly.EDITED: logging.WARNING,
    FileAnomaly.TOO_LARGE: logging.WARNING,
}
"""Anomalies that an operator should look into; the others are part of a log's normal life, at level INFO."""


class FileWarnings:
    """Counts and logs anomalies, cycle by cycle."""

    def __init__(self, metrics: Metrics) -> None:
        """Start with nothing logged."""
        self._metrics = metrics
        self._logged: dict[str, set[FileAnomaly]] = {}
        self._reported: set[str] = set()
        self.unreadable = 0
        """Files and folders that could not be read in this cycle."""

    def begin_cycle(self) -> None:
        """Reset the count of unreadable files."""
        self.unreadable = 0
        self._reported = set()

    def end_cycle(self, names: Container[str]) -> None:
        """Forget what was logged about files that no longer exist, so that memory stays bounded.

        Folders that cannot be listed are not in `names`, but have been reported in this cycle.
        """
        self._logged = {
            name: logged for name, logged in self._logged.items() if name in names or name in self._reported
        }

    def report(self, anomaly: FileAnomaly, name: str, text: str) -> None:
        """Count an anomaly of a file, and log `text` unless it was logged before."""
        self._metrics.unusual_files.labels(anomaly.name.lower()).inc()
        self.unreadable += anomaly in {FileAnomaly.UNREADABLE, FileAnomaly.TOO_LARGE}
        self._reported.add(name)
        logged = self._logged.setdefault(name, set())
        if anomaly not in logged:
            logged.add(anomaly)
            log.log(LEVELS.get(anomaly, logging.INFO), "%s", text, extra={"path": f"/{name}"})
