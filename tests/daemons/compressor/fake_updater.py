"""A fake archive updater for tests of the parts around it, and functions that inspect the result."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nodelogd.compressor.archive_updater import UpdateReport
from nodelogd.service.files.disk_budget import Budget

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.compressor import Compressor, CycleReport
    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.scan.file_access import FileAccess, FileAnomaly
    from nodelogd.compressor.scan.listing import Listing


NO_LIMITS = Budget(max_bytes=None, max_files=None, max_age=None, min_free_share=None, always_kept=1)


class FakeUpdater:
    """Stands in for the ArchiveUpdater."""

    def __init__(self) -> None:
        """Start as an updater that succeeds."""
        self.calls: list[tuple[list[str], Path, Path | None]] = []
        self.error: Exception | None = None
        self.published = True
        self.anomalies: list[tuple[FileAnomaly, str, str]] = []

    def update(self, files: Listing, access: FileAccess, target: Path, seed: Path | None) -> UpdateReport:
        """Open all files and write an archive."""
        self.calls.append(([file.name for file in files], target, seed))
        for file in files:
            os.close(access.open_file(file))
        for anomaly, name, text in self.anomalies:
            access.report(anomaly, name, text)
        access.check_stop()
        if self.error:
            raise self.error
        target.write_bytes(b"archive")
        return UpdateReport(
            published=self.published, files=len(files), changed=1, bytes_read=2, bytes_compressed=3,
            bytes_copied=4, archive_size=5,
        )  # fmt: skip


def run_cycle(compressor: Compressor) -> CycleReport:
    return compressor.run_cycle(lambda: False, lambda _: False)


def metric_value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def date(days: int = 0) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def archive_path(logs: Path, days: int = 0) -> Path:
    return logs / f"all-logs-{date(days)}.tar.gz"
