"""A compressor without a process: for fault injection in its calls, and to start it often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.processes.logcd import ARCHIVE_NAME

from nodelogd.compressor.compressor import Compressor, CycleResult
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings
from nodelogd.service.files.disk_budget import Budget

if TYPE_CHECKING:
    from pathlib import Path


def new_compressor(logs: Path, **options: Any) -> Compressor:  # noqa: ANN401 (any of them)
    """Return a compressor as it is after a start of logcd."""
    retention = Budget(max_bytes=None, max_files=7, min_free_share=None, always_kept=1)
    settings = Settings(directory=logs, out=logs, name=ARCHIVE_NAME, retention=retention, **options)
    return Compressor(settings, Metrics())


def run_cycle(compressor: Compressor) -> CycleResult:
    """Run one cycle and return its result."""
    return compressor.run_cycle(lambda: False, lambda _: False).result
