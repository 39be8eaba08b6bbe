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
def running(timer: CycleTimer) -> Generator[CycleTimer]:
    """Run a timer for the duration of the block."""
    timer.start()
    try:
        yield timer
    finally:
        assert timer.close(PATIENCE)


@pytest.mark.parametrize(
    ("started", "now", "wait"), [(0, 0, 60), (0, 10, 50), (0, 60, 0), (0, 200, 0), (5, 6, 59)]
)
def test_the_interval_is_measured_from_start_to_start(started: float, now: float, wait: float) -> None:
    assert seconds_until_next(started, now, 60) == wait


def test_the_first_cycle_starts_at_once_and_others_follow() -> None:
    calls: list[int] = []
    with running(CycleTimer(lambda: calls.append(1), 0.01)):
        wait_for(lambda: len(calls) >= 3)


def test_waking_starts_the_next_cycle_at_once() -> None:
    calls: list[int] = []
    with running(CycleTimer(lambda: calls.append(1), 3600)) as timer:
        wait_for(lambda: len(calls) == 1)
        timer.wake()
        wait_for(lambda: len(calls) == 2)


def test_cycles_never_overlap() -> None:
    active: list[int] = []
    running_at_once: list[int] = []
    gate = threading.Event()

    def cycle() -> None:
        active.append(1)
        running_at_once.append(len(active))
        gate.wait(PATIENCE)
        active.pop()

    with running(CycleTimer(cycle, 0.001)) as timer:
        wait_for(lambda: active)
        timer.wake()
        gate.set()
        wait_for(lambda: len(running_at_once) > 3)
    assert set(running_at_once) == {1}


def test_closing_stops_a_cycle_and_ends_its_pause() -> None:
    may_continue: list[bool] = []
    timer = CycleTimer(lambda: may_continue.append(timer.pause(3600)), 3600)
    timer.start()
    assert not timer.is_stopping()
    assert timer.close(PATIENCE)
    assert timer.is_stopping()
    assert may_continue in ([], [False])


def test_a_cycle_that_hangs_is_abandoned() -> None:
    gate = threading.Event()
    timer = CycleTimer(gate.wait, 3600)
    timer.start()
    assert not timer.close(0.01)
    gate.set()
    assert timer.close(PATIENCE)


def test_a_timer_that_was_never_started_can_be_closed() -> None:
    assert CycleTimer(lambda: None, 1).close(PATIENCE)
