"""What is kept, removed and locked before and after a cycle."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.engine import ALL, Engine, archive, cycle

from nodelog.archive.index import index_path
from nodelogd.compressor.compressor import Compressor, Result
from nodelogd.compressor.upkeep.cycle_lock import BusyError, locked

if TYPE_CHECKING:
    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.settings import Settings


def test_a_new_day_begins_with_the_archive_of_the_last(
    engine: Engine, settings: Settings, metrics: Metrics
) -> None:
    for days in (-9, -2, 1):  # somebody has set the clock back
        archive(settings.out, days).write_bytes(b"old")
    compressor = Compressor(settings, metrics)
    cycle(compressor)
    cycle(compressor)
    assert [seed for _, _, seed in engine.calls] == [archive(settings.out, -2), None]


@pytest.mark.parametrize("fails", [None, OSError(errno.ENOSPC, "No space left on device")])
def test_the_budget_is_kept_after_a_cycle_whatever_became_of_it(
    engine: Engine, settings: Settings, metrics: Metrics, fails: OSError | None
) -> None:
    engine.fails = fails
    for days in (-3, -2, -1):
        archive(settings.out, days).write_bytes(b"old")
    keep = replace(ALL, max_files=1)
    cycle(Compressor(replace(settings, keep=keep), metrics))
    left = sorted(path.name for path in settings.out.glob("all-logs-*"))
    assert left == ([archive(settings.out, -1).name] if fails else [archive(settings.out).name])


def test_an_archive_that_cannot_be_removed_keeps_no_other_and_fails_no_cycle(
    engine: Engine, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    archive(settings.out, -3).mkdir()
    archive(settings.out, -2).write_bytes(b"old")
    compressor = Compressor(replace(settings, keep=replace(ALL, max_files=1)), metrics)
    for _ in range(2):
        assert cycle(compressor).result is Result.PUBLISHED
    assert not archive(settings.out, -2).exists()
    stuck = archive(settings.out, -3)
    assert caplog.messages == [f"cannot remove an old archive: Is a directory: {stuck}; it stays"]
    assert len(engine.calls) == 2


def test_what_a_killed_process_left_is_removed_under_the_lock(
    engine: Engine, settings: Settings, metrics: Metrics
) -> None:
    half = settings.out / f".{archive(settings.out).name}.tmp-1-abcd"
    orphan = index_path(archive(settings.out, -1))
    half.write_bytes(b"half")
    orphan.write_bytes(b"{}")
    compressor = Compressor(settings, metrics)
    with locked(compressor.names.lock, lambda _: False), pytest.raises(BusyError):
        cycle(compressor)
    assert half.exists()
    assert engine.calls == []
    cycle(compressor)
    assert not half.exists()
    assert not orphan.exists()


def test_a_holder_of_the_lock_is_waited_for_and_said(
    engine: Engine, settings: Settings, metrics: Metrics
) -> None:
    compressor = Compressor(settings, metrics)
    reasons: list[dict[str, str]] = []

    def pause(_: float) -> bool:
        reasons.append(compressor.freshness.reasons())
        return len(reasons) < 3

    with locked(compressor.names.lock, lambda _: False), pytest.raises(BusyError):
        compressor.cycle(lambda: False, pause)
    assert reasons[-1] == {"start": f"another process holds {compressor.names.lock}; waiting for it"}
    assert engine.calls == []
