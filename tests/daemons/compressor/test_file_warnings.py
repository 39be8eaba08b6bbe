from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.compressor.file_warnings import FileWarnings
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.scan.file_access import FileAnomaly

if TYPE_CHECKING:
    import pytest


def test_each_anomaly_is_logged_once_per_file(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    warnings = FileWarnings(Metrics())
    for _ in range(2):
        for name in ("a.log", "b.log"):
            warnings.report(FileAnomaly.TRUNCATED, name, "truncated")
            warnings.report(FileAnomaly.UNREADABLE, name, "unreadable")
    assert caplog.messages == ["truncated", "unreadable"] * 2
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"] * 2


def test_a_file_that_was_gone_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    warnings = FileWarnings(Metrics())
    for names in ({"a.log"}, {"a.log"}, set[str](), {"a.log"}):
        warnings.begin_cycle()
        if names:
            warnings.report(FileAnomaly.UNREADABLE, "a.log", "unreadable")
        warnings.end_cycle(names)
    assert caplog.messages == ["unreadable"] * 2


def test_a_folder_that_cannot_be_listed_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    warnings = FileWarnings(Metrics())
    for is_reported in (True, True, False, True):
        warnings.begin_cycle()
        if is_reported:
            warnings.report(FileAnomaly.UNREADABLE, "pods", "cannot list")
        warnings.end_cycle({"a.log"})
    assert caplog.messages == ["cannot list"] * 2


def test_names_of_any_bytes_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    FileWarnings(Metrics()).report(FileAnomaly.UNREADABLE, "\udcff.log", "unreadable")
    assert vars(caplog.records[0])["path"] == "/\udcff.log"


def test_unreadable_files_are_counted_per_cycle() -> None:
    warnings = FileWarnings(Metrics())
    warnings.report(FileAnomaly.UNREADABLE, "a.log", "unreadable")
    warnings.report(FileAnomaly.REPLACED, "b.log", "replaced")
    assert warnings.unreadable == 1
    warnings.begin_cycle()
    assert warnings.unreadable == 0
