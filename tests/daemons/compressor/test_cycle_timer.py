from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE, wait_for

from nodelogd.compressor.cycle_timer import CycleTimer, seconds_until_next

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def working(worker: CycleTimer) -> Generator[CycleTimer]:
    """Run it as long as the block lasts."""
    worker.start()
    try:
        yield worker
    finally:
        assert worker.close(PATIENCE)


@pytest.mark.parametrize(
    ("started", "now", "wait"), [(0, 0, 60), (0, 10, 50), (0, 60, 0), (0, 200, 0), (5, 6, 59)]
)
def test_the_interval_is_measured_from_start_to_start(started: float, now: float, wait: float) -> None:
    assert seconds_until_next(started, now, 60) == wait


def test_the_first_cycle_starts_at_once_and_others_follow() -> None:
    calls: list[int] = []
    with working(CycleTimer(lambda: calls.append(1), 0.01)):
        wait_for(lambda: len(calls) >= 3)


def test_waking_starts_the_next_cycle_at_once() -> None:
    calls: list[int] = []
    with working(CycleTimer(lambda: calls.append(1), 3600)) as worker:
        wait_for(lambda: len(calls) == 1)
        worker.wake()
        wait_for(lambda: len(calls) == 2)


def test_cycles_never_overlap() -> None:
    inside: list[int] = []
    most: list[int] = []
    gate = threading.Event()

    def job() -> None:
        inside.append(1)
        most.append(len(inside))
        gate.wait(PATIENCE)
        inside.pop()

    with working(CycleTimer(job, 0.001)) as worker:
        wait_for(lambda: inside)
        worker.wake()
        gate.set()
        wait_for(lambda: len(most) > 3)
    assert set(most) == {1}


def test_closing_stops_a_cycle_and_ends_its_pause() -> None:
    going_on: list[bool] = []
    worker = CycleTimer(lambda: going_on.append(worker.pause(3600)), 3600)
    worker.start()
    assert not worker.is_stopping()
    assert worker.close(PATIENCE)
    assert worker.is_stopping()
    assert going_on in ([], [False])


def test_a_cycle_that_hangs_is_abandoned() -> None:
    gate = threading.Event()
    worker = CycleTimer(gate.wait, 3600)
    worker.start()
    assert not worker.close(0.01)
    gate.set()
    assert worker.close(PATIENCE)


def test_a_timer_that_was_never_started_can_be_closed() -> None:
    assert CycleTimer(lambda: None, 1).close(PATIENCE)
