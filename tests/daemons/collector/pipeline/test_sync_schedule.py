from __future__ import annotations

import math

import pytest

from nodelogd.collector.pipeline.sync_schedule import Schedule
from nodelogd.collector.pipeline.writer_commands import BACKGROUND, Mode, SyncPolicy

GAP = 0.5
START = 1000.0


def made(mode: Mode = Mode.BATCH) -> Schedule:
    return Schedule(SyncPolicy(mode=mode, interval=2.0, gap=GAP), START)


def test_a_sync_that_is_awaited_comes_a_gap_after_the_one_before() -> None:
    schedule = made()
    assert schedule.until_sync(START, is_awaited=True) == GAP
    assert schedule.until_sync(START + 2 * GAP, is_awaited=True) == 0
    schedule.begin(START + 2 * GAP)
    assert schedule.until_sync(START + 2 * GAP, is_awaited=True) == GAP


@pytest.mark.parametrize(
    ("mode", "delay"), [(Mode.BATCH, BACKGROUND), (Mode.INTERVAL, 2.0), (Mode.OFF, math.inf)]
)
def test_lines_nobody_waits_for_are_synced_some_time_after_the_first_of_them(
    mode: Mode, delay: float
) -> None:
    schedule = made(mode)
    schedule.note_written(START + 1)
    schedule.note_written(START + 2)
    assert schedule.until_sync(START + 2, is_awaited=False) == delay - 1
    assert schedule.until_sync(START + 60, is_awaited=False) == (0 if delay < math.inf else math.inf)


def test_nothing_written_is_nothing_to_sync() -> None:
    assert made().until_sync(START + 60, is_awaited=False) == math.inf


def test_a_sync_that_is_awaited_leaves_nothing_for_the_background() -> None:
    schedule = made()
    schedule.note_written(START)
    schedule.begin(START + 1)
    assert schedule.until_sync(START + 60, is_awaited=False) == math.inf


def test_syncs_in_the_background_go_one_at_a_time() -> None:
    schedule = made()
    schedule.note_written(START)
    schedule.begin_in_background(is_needed=True)
    schedule.note_written(START + 1)
    assert schedule.until_sync(START + 60, is_awaited=False) == math.inf
    schedule.end_in_background()
    assert schedule.until_sync(START + 1, is_awaited=False) == BACKGROUND


def test_a_sync_that_was_not_needed_holds_up_no_other() -> None:
    schedule = made()
    schedule.note_written(START)
    schedule.begin_in_background(is_needed=False)
    assert schedule.until_sync(START + 60, is_awaited=False) == math.inf
    schedule.note_written(START + 60)
    assert schedule.until_sync(START + 60, is_awaited=False) == BACKGROUND


def test_a_sync_that_cannot_begin_is_put_off() -> None:
    schedule = made()
    schedule.note_written(START)
    schedule.put_off(START + 60, 1.0)
    assert schedule.until_sync(START + 60, is_awaited=False) == 1.0
