"""A cycle around the update of the archive, which is tested in `test_archive_updater.py`."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.daemons.compressor.fake_updater import FakeUpdater, archive_path, metric_value, run_cycle

from nodelogd.compressor.compressor import Compressor, CycleReport, CycleResult
from nodelogd.compressor.scan.file_access import FileAnomaly

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.settings import Settings


def test_a_cycle_archives_all_files_and_counts(
    updater: FakeUpdater, settings: Settings, metrics: Metrics
) -> None:
    compressor = Compressor(settings, metrics)
    assert compressor.readiness.not_ready_reasons()
    assert run_cycle(compressor) == CycleReport(result=CycleResult.PUBLISHED)
    name = str(settings.directory / "a.log").lstrip("/")
    assert updater.calls == [([name], archive_path(settings.out), None)]
    assert compressor.readiness.not_ready_reasons() == {}
    counts = {
        name: metric_value(metrics, f"nodelog_archive_{name}")
        for name in (
            "changed_files_total",
            "read_bytes_total",
            "compressed_bytes_total",
            "copied_bytes_total",
        )
    }
    assert list(counts.values()) == [1, 2, 3, 4]
    assert metric_value(metrics, "nodelog_archive_size_bytes") == 5
    assert metric_value(metrics, "nodelog_archive_files") == 1
    assert metric_value(metrics, "nodelog_archives") == 1
    assert metric_value(metrics, "nodelog_archive_cycles_total", result="published") == 1
    assert metric_value(metrics, "nodelog_archive_cycle_seconds_count") == 1
    assert metric_value(metrics, "nodelog_archive_last_success_timestamp_seconds") > 0
    assert compressor.last_cycle["result"] == "published"
    assert compressor.last_cycle["archive_bytes"] == 5


def test_a_cycle_without_changes_is_counted_as_unchanged(
    updater: FakeUpdater, settings: Settings, metrics: Metrics
) -> None:
    updater.published = False
    assert run_cycle(Compressor(settings, metrics)).result is CycleResult.UNCHANGED
    assert metric_value(metrics, "nodelog_archive_cycles_total", result="unchanged") == 1


def test_a_failure_is_logged_once_and_so_is_the_recovery(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    compressor = Compressor(settings, metrics, ", next try in 60 s")
    updater.error = OSError(errno.ENOSPC, "No space left on device", "/x/y.tmp-17-ab12")
    for _ in range(3):
        assert run_cycle(compressor) == CycleReport(result=CycleResult.FAILED)
    text = (
        f"cannot update the archive of {settings.directory}: No space left on device: /x/y; "
        "the last archive is unchanged, next try in 60 s"
    )
    assert compressor.readiness.not_ready_reasons() == {"start": text}
    updater.error = None
    assert run_cycle(compressor).result is CycleResult.PUBLISHED
    assert caplog.messages == [text, "the archive is updated again"]
    assert metric_value(metrics, "nodelog_archive_cycles_total", result="failed") == 3
    assert compressor.readiness.not_ready_reasons() == {}


def test_a_missing_directory_leaves_the_archive(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, tmp_path: Path
) -> None:
    settings = replace(settings, out=tmp_path)
    archive_path(tmp_path).write_bytes(b"old")
    settings.directory.rename(tmp_path / "away")
    assert run_cycle(Compressor(settings, metrics)).result is CycleResult.FAILED
    assert archive_path(tmp_path).read_bytes() == b"old"
    assert updater.calls == []


def test_a_directory_without_logs_leaves_the_archive_and_is_logged_once(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    compressor = Compressor(settings, metrics)
    run_cycle(compressor)
    (settings.directory / "a.log").unlink()
    for _ in range(2):
        assert run_cycle(compressor).result is CycleResult.EMPTY
    assert archive_path(settings.out).exists()
    (message,) = caplog.messages
    assert message == f"no file matches in {settings.directory}; the archive is left as it is"
    assert compressor.readiness.not_ready_reasons() == {}
    assert len(updater.calls) == 1


def test_anomalies_are_counted_each_time_and_logged_once(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(settings.directory / "a.log").lstrip("/")
    updater.anomalies = [(FileAnomaly.UNREADABLE, name, "cannot read it")]
    compressor = Compressor(settings, metrics)
    for _ in range(3):
        assert run_cycle(compressor) == CycleReport(result=CycleResult.PUBLISHED, unreadable=1)
    assert caplog.messages == ["cannot read it"]
    assert caplog.records[0].levelname == "WARNING"
    assert vars(caplog.records[0])["path"] == str(settings.directory / "a.log")
    assert metric_value(metrics, "nodelog_archive_unusual_files_total", case="unreadable") == 3
    updater.anomalies = []
    assert run_cycle(compressor).unreadable == 0


def test_a_folder_that_cannot_be_listed_counts_as_unreadable(
    updater: FakeUpdater, settings: Settings, metrics: Metrics, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (settings.directory / "pod").mkdir()
    real, denied = os.scandir, (settings.directory / "pod").stat()

    def listing(fd: int) -> Any:  # noqa: ANN401 (the type of scandir)
        if os.path.samestat(os.fstat(fd), denied):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(fd)

    monkeypatch.setattr(os, "scandir", listing)
    compressor = Compressor(replace(settings, include=("**/*.log",)), metrics)
    assert run_cycle(compressor) == CycleReport(result=CycleResult.PUBLISHED, unreadable=1)
    assert len(updater.calls) == 1
    assert caplog.messages == [
        f"cannot list {settings.directory}/pod: Permission denied; its content is not archived"
    ]


def test_a_stopped_cycle_leaves_the_archive(
    updater: FakeUpdater, settings: Settings, metrics: Metrics
) -> None:
    compressor = Compressor(settings, metrics)
    assert compressor.run_cycle(lambda: True, lambda _: False).result is CycleResult.STOPPED
    assert len(updater.calls) == 1
    assert not archive_path(settings.out).exists()
    assert metric_value(metrics, "nodelog_archive_cycles_total", result="stopped") == 1
