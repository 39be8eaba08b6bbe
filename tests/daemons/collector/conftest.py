"""Where a log is, and a writer that need not wait long before it tries again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nodelogd.collector import batches, orders, writer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the path of a log that is not there yet."""
    return tmp_path / "node_log"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass the time faster: a second is long in a test."""
    monkeypatch.setattr(batches, "RETRY", 0.01)
    monkeypatch.setattr(writer, "RETRY", 0.01)
    monkeypatch.setattr(writer, "TICK", 0.02)
    monkeypatch.setattr(orders, "BACKGROUND", 0.05)
