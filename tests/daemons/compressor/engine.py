"""What stands for the cycle where a test is about what is around it, and what that leaves."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nodelogd.compressor.cycle import Case, Outcome, StoppedError
from nodelogd.service.disk_budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.compressor import Compressor, Cycle
    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.scan.discovery import Found


ALL = Budget(max_bytes=None, max_files=None, max_age=None, min_free_share=None, always_kept=1)


class Engine:
    """Stands for the cycle."""

    def __init__(self) -> None:
        """Begin with one that works."""
        self.calls: list[tuple[list[str], Path, Path | None]] = []
        self.fails: Exception | None = None
        self.published = True
        self.unusual: list[tuple[Case, str, str]] = []

    def run(  # noqa: PLR0913, PLR0917 (as many as the real one takes)
        self, found: list[Found], open_file: Callable[[Found], int], target: Path, seed: Path | None,
        report: Callable[[Case, str, str], None], stopping: Callable[[], bool],
    ) -> Outcome:  # fmt: skip
        """Open all files, and leave an archive."""
        self.calls.append(([each.name for each in found], target, seed))
        for each in found:
            os.close(open_file(each))
        for case, name, text in self.unusual:
            report(case, name, text)
        if stopping():
            raise StoppedError
        if self.fails:
            raise self.fails
        target.write_bytes(b"archive")
        return Outcome(
            published=self.published, files=len(found), changed=1, bytes_read=2, bytes_compressed=3,
            bytes_copied=4, archive_size=5,
        )  # fmt: skip


def cycle(compressor: Compressor) -> Cycle:
    return compressor.cycle(lambda: False, lambda _: False)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def day(days: int = 0) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def archive(logs: Path, days: int = 0) -> Path:
    return logs / f"all-logs-{day(days)}.tar.gz"
