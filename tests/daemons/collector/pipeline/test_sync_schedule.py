from __future__ import annotations

import math

import pytest

from nodelogd.collector.pipeline.sync_schedule import BACKGROUND_DELAY, SyncMode, SyncPolicy, SyncSchedule

GAP = 0.5
START = 1000.0


def make_schedule(mode: SyncMode = SyncMode.BATCH) -> SyncSchedule:
    return SyncSchedule(SyncPolicy(mode=mode, interval=2.0, gap=GAP), START)


def test_awaited_syncs_keep_the_gap_between_them() -> None:
    schedule = make_schedule()
    assert schedule.seconds_until_sync(START, is_awaited=True) == GAP
    assert schedule.seconds_until_sync(START + 2 * GAP, is_awaited=True) == 0
    schedule.start_awaited_sync(START + 2 * GAP)
    assert schedule.seconds_until_sync(START + 2 * GAP, is_awaited=True) == GAP


@pytest.mark.parametrize(
    ("mode", "delay"),
    [(SyncMode.BATCH, BACKGROUND_DELAY), (SyncMode.INTERVAL, 2.0), (SyncMode.OFF, math.inf)],
)
def test_lines_nobody_waits_for_are_synced_a_fixed_delay_after_the_first_of_them(
    mode: SyncMode, delay: float
) -> None:
    schedule = make_schedule(mode)
    schedule.note_written(START + 1)
    schedule.note_written(START + 2)
    assert schedule.seconds_until_sync(START + 2, is_awaited=False) == delay - 1
    assert schedule.seconds_until_sync(START + 60, is_awaited=False) == (0 if delay < math.inf else math.inf)


def test_without_writes_no_sync_is_due() -> None:
    assert make_schedule().seconds_until_sync(START + 60, is_awaited=False) == math.inf


def test_an_awaited_sync_leaves_nothing_for_the_background() -> None:
    schedule = make_schedule()
    schedule.note_written(START)
    schedule.start_awaited_sync(START + 1)
    assert schedule.seconds_until_sync(START + 60, is_awaited=False) == math.inf


def test_background_syncs_run_one_at_a_time() -> None:
    schedule = make_schedule()
    schedule.note_written(START)
    schedule.start_background_sync(is_needed=True)
    schedule.note_written(START + 1)
    assert schedule.seconds_until_sync(START + 60, is_awaited=False) == math.inf
    schedule.end_background_sync()
    assert schedule.seconds_until_sync(START + 1, is_awaited=False) == BACKGROUND_DELAY


def test_a_background_sync_that_was_not_needed_does_not_block_the_next() -> None:
    schedule = make_schedule()
    schedule.note_written(START)
    schedule.start_background_sync(is_needed=False)
    assert schedule.seconds_until_sync(START + 60, is_awaited=False) == math.inf
    schedule.note_written(START + 60)
    assert schedule.seconds_until_sync(START + 60, is_awaited=False) == BACKGROUND_DELAY


def test_a_background_sync_that_cannot_start_is_postponed() -> None:
    schedule = make_schedule()
    schedule.note_written(START)
    schedule.postpone_background_sync(START + 60, 1.0)
    assert schedule.seconds_until_sync(START + 60, is_awaited=False) == 1.0


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        (SyncPolicy(), 4.0),
        (SyncPolicy(mode=SyncMode.INTERVAL, interval=0.5), 0.5),
        (SyncPolicy(mode=SyncMode.OFF), None),
    ],
)
def test_lines_nobody_waits_for_are_synced_as_the_policy_says(
    policy: SyncPolicy, seconds: float | None
) -> None:
    assert policy.background_delay == seconds
