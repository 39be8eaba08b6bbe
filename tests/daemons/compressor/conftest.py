"""A place of logs and archives of its own for each test; or what is around a cycle, without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.archiving import Place
from tests.daemons.compressor.engine import ALL, Engine

from nodelogd.compressor import compressor as module
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a place without logs."""
    return Place(tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put one in the place of the real one."""
    made = Engine()
    monkeypatch.setattr(module, "Archive", lambda **_: made)
    return made


@pytest.fixture
def settings(logs: Path) -> Settings:
    """Give those of a directory with a log."""
    (logs / "a.log").write_bytes(b"line\n")
    return Settings(directory=logs, out=logs, keep=ALL)


@pytest.fixture
def metrics() -> Metrics:
    """Give some that count nothing yet."""
    return Metrics()
