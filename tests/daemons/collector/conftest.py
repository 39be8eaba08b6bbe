"""Fixtures for tests of the collector: a log path, short waiting times, and a reader with its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness

from nodelogd.collector.pipeline import batches, sync_schedule, writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a log that does not exist yet."""
    return tmp_path / "node_log"


@pytest.fixture
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the intervals of the writer: a second is long in a test."""
    monkeypatch.setattr(batches, "RETRY_INTERVAL", 0.01)
    monkeypatch.setattr(writer, "RETRY_INTERVAL", 0.01)
    monkeypatch.setattr(writer, "TICK", 0.02)
    monkeypatch.setattr(sync_schedule, "BACKGROUND_DELAY", 0.05)


@pytest.fixture
async def harness() -> AsyncGenerator[ReaderHarness]:
    """Yield a reader that may hold 256 KiB of unfinished lines and frames."""
    reader_harness = ReaderHarness(unfinished_limit=256 * 1024)
    yield reader_harness
    reader_harness.close()
