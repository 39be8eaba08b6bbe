"""Fixtures: a workspace to test the updater; settings, metrics and a fake updater to test what uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.fake_updater import NO_LIMITS, FakeUpdater
from tests.daemons.compressor.workspace import Workspace

from nodelogd.compressor import compressor
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Create a workspace without logs."""
    return Workspace(tmp_path)


@pytest.fixture
def updater(monkeypatch: pytest.MonkeyPatch) -> FakeUpdater:
    """Replace the updater that a Compressor creates by a fake."""
    fake = FakeUpdater()
    monkeypatch.setattr(compressor, "ArchiveUpdater", lambda **_: fake)
    return fake


@pytest.fixture
def settings(logs: Path) -> Settings:
    """Return settings for a directory that contains one log."""
    (logs / "a.log").write_bytes(b"line\n")
    return Settings(directory=logs, out=logs, retention=NO_LIMITS)


@pytest.fixture
def metrics() -> Metrics:
    """Return metrics at zero."""
    return Metrics()
