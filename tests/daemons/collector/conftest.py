"""Where a log is, a writer that need not wait long before it tries again, and an intake with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.wired import Wired

from nodelogd.collector.pipeline import batches, sync_schedule, writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the path of a log that is not there yet."""
    return tmp_path / "node_log"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass the time faster: a second is long in a test."""
    monkeypatch.setattr(batches, "RETRY_INTERVAL", 0.01)
    monkeypatch.setattr(writer, "RETRY_INTERVAL", 0.01)
    monkeypatch.setattr(writer, "TICK", 0.02)
    monkeypatch.setattr(sync_schedule, "BACKGROUND_DELAY", 0.05)


@pytest.fixture
async def wired() -> AsyncGenerator[Wired]:
    """Give an intake that reads."""
    made = Wired(unfinished_limit=256 * 1024)
    yield made
    made.close()
