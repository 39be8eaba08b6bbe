"""A collector, and shippers that need not wait long before they try again."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.fake_collector import Collector

if TYPE_CHECKING:
    from collections.abc import Generator

PAUSE = 0.005  # seconds


@pytest.fixture
def collector() -> Generator[Collector]:
    """Give a collector that listens."""
    with Collector() as started:
        yield started


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next connection be tried soon, however often the last ones failed."""
    monkeypatch.setattr("nodelog.shipping.delivery_session.delays", lambda _: itertools.repeat(PAUSE))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hang-ups count at once, however soon one comes after the other."""
    monkeypatch.setattr("nodelog.shipping.quarantine.MIN_SECONDS", 0.0)
