"""The upkeep before and after an update: lock, leftovers, retention."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.fake_updater import NO_LIMITS, FakeUpdater, archive_path, run_cycle

from nodelog.archive.index import index_path
from nodelogd.compressor.compressor import Compressor, CycleResult
from nodelogd.compressor.upkeep.cycle_lock import BusyError, hold_cycle_lock

if TYPE_CHECKING:
    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.settings import Settings


def test_a_new_day_starts_from_the_archive_of_the_last_day(
    updater: FakeUpdater, settings: Settings, metrics: Metrics
) -> None:
    for days in (-9, -2, 1):  # the clock was set back
        archive_path(settings.out, days).write_bytes(b"old")
    compressor = Compressor(settings, metrics)
    run_cycle(compressor)
    run_cycle(compressor)
    assert [seed for _, _, seed in updater.calls] == [archive_path(settings.out, -2), None]


@pytest.mark.parametrize("error", [None, OSError(errno.ENOSPC, "No space left on device")])
def test_the_budget_is_applied_after_every_cycle_even_a_failed_one(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, error: OSError | None
) -> None:
    updater.error = error
    for days in (-3, -2, -1):
        archive_path(settings.out, days).write_bytes(b"old")
    retention = replace(NO_LIMITS, max_files=1)
    run_cycle(Compressor(replace(settings, retention=retention), metrics))
    remaining = sorted(path.name for path in settings.out.glob("all-logs-*"))
    assert remaining == [archive_path(settings.out, -1 if error else 0).name]


def test_an_archive_that_cannot_be_removed_neither_blocks_others_nor_fails_the_cycle(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    stuck = archive_path(settings.out, -3)
    stuck.write_bytes(b"old")
    real = Path.unlink

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path == stuck:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    archive_path(settings.out, -2).write_bytes(b"old")
    compressor = Compressor(replace(settings, retention=replace(NO_LIMITS, max_files=1)), metrics)
    for _ in range(2):
        assert run_cycle(compressor).result is CycleResult.PUBLISHED
    assert not archive_path(settings.out, -2).exists()
    assert caplog.messages == [f"cannot remove an old archive: Operation not permitted: {stuck}; it is kept"]
    assert len(updater.calls) == 2


def test_leftovers_of_a_killed_process_are_removed_under_the_lock(
    updater: FakeUpdater, settings: Settings, metrics: Metrics
) -> None:
    temporary = settings.out / f".{archive_path(settings.out).name}.tmp-1-abcd"
    orphan = index_path(archive_path(settings.out, -1))
    temporary.write_bytes(b"half")
    orphan.write_bytes(b"{}")
    compressor = Compressor(settings, metrics)
    with hold_cycle_lock(compressor.names.lock, lambda _: False), pytest.raises(BusyError):
        run_cycle(compressor)
    assert temporary.exists()
    assert updater.calls == []
    run_cycle(compressor)
    assert not temporary.exists()
    assert not orphan.exists()


def test_waiting_for_the_lock_is_reported(updater: FakeUpdater, settings: Settings, metrics: Metrics) -> None:
    compressor = Compressor(settings, metrics)
    reasons: list[dict[str, str]] = []

    def pause(_: float) -> bool:
        reasons.append(compressor.readiness.not_ready_reasons())
        return len(reasons) < 3

    with hold_cycle_lock(compressor.names.lock, lambda _: False), pytest.raises(BusyError):
        compressor.run_cycle(lambda: False, pause)
    assert reasons[-1] == {"start": f"another process holds {compressor.names.lock}; waiting for it"}
    assert updater.calls == []
