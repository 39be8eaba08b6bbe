from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.os_calls import intercept_os_calls

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.pipeline.background_sync import BackgroundSync
from nodelogd.collector.store.commits import SyncJob

if TYPE_CHECKING:
    from pathlib import Path


def sync_job(path: Path) -> SyncJob:
    files = [os.open(path / name, os.O_CREAT | os.O_RDWR) for name in ("log", "journal")]
    return SyncJob(file=files[0], journal=files[1], generation=1, number=1, end=0, last_blocks={})


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("fails", [False, True])
def test_the_journal_is_synced_before_the_lines_and_both_are_closed_even_after_a_failure(
    tmp_path: Path, *, fails: bool
) -> None:
    reports: list[tuple[SyncJob, OSError | None]] = []
    synced: list[int] = []
    job = sync_job(tmp_path)

    def before(called: str, arguments: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            synced.append(arguments[0])
            if fails:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    background_sync = BackgroundSync(Metrics(), lambda *report: reports.append(report), lambda: None)
    with intercept_os_calls(before):
        background_sync.start()
        background_sync.sync(job)
        background_sync.close()
    assert synced == [job.journal, job.file]
    assert [(synced_job, error is not None) for synced_job, error in reports] == [(job, fails)]
    assert not is_open(job.file)
    assert not is_open(job.journal)


def test_a_file_that_is_no_longer_active_is_synced_closed_and_reported(tmp_path: Path) -> None:
    closed: list[str] = []
    metrics = Metrics()
    background_sync = BackgroundSync(metrics, lambda *_: None, lambda: closed.append("closed"))
    background_sync.start()
    fd = os.open(tmp_path / "log", os.O_CREAT | os.O_RDWR)
    background_sync.sync_and_close(fd)
    background_sync.close()
    assert closed == ["closed"]
    assert not is_open(fd)
    assert metrics.registry.get_sample_value("nodelog_sync_seconds_count") == 1
