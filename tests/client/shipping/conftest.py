"""A collector, shippers that retry soon, and drivers that a test steps itself."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.driver_harness import Clock, DriverHarness, MakeHarness
from tests.client.shipping.fake_collector import FakeCollector

if TYPE_CHECKING:
    from collections.abc import Generator

    from nodelog.spool.spool import Spool

PAUSE = 0.005  # seconds


@pytest.fixture
def collector() -> Generator[FakeCollector]:
    """Return a collector that listens."""
    with FakeCollector() as started:
        yield started


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry a connection soon, no matter how often the last ones failed."""
    monkeypatch.setattr("nodelog.shipping.delivery_session.delays", lambda _: itertools.repeat(PAUSE))


@pytest.fixture
def quick_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count hang-ups against a block no matter how soon they follow each other."""
    monkeypatch.setattr("nodelog.shipping.quarantine.MIN_SECONDS", 0.0)


@pytest.fixture
def make_harness() -> Generator[MakeHarness]:
    """Create driver harnesses, and close them after the test."""
    with ExitStack() as stack:

        def make(port: int, *hosts: str, spool: Spool | None = None) -> DriverHarness:
            harness = DriverHarness(port, *hosts, spool=spool)
            stack.callback(harness.driver.close)
            return harness

        yield make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of drivers."""
    clock = Clock()
    monkeypatch.setattr("nodelog.shipping.driver.time", clock)
    return clock
