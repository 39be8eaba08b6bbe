from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.compressor.cycle import Case
from nodelogd.compressor.file_warnings import Unusual
from nodelogd.compressor.metrics import Metrics

if TYPE_CHECKING:
    import pytest


def test_each_case_is_said_once_per_file(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    unusual = Unusual(Metrics())
    for _ in range(2):
        for name in ("a.log", "b.log"):
            unusual.report(Case.TRUNCATED, name, "truncated")
            unusual.report(Case.UNREADABLE, name, "unreadable")
    assert caplog.messages == ["truncated", "unreadable"] * 2
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"] * 2


def test_of_a_file_that_went_it_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    unusual = Unusual(Metrics())
    for names in ({"a.log"}, {"a.log"}, set[str](), {"a.log"}):
        unusual.begin()
        if names:
            unusual.report(Case.UNREADABLE, "a.log", "unreadable")
        unusual.end(names)
    assert caplog.messages == ["unreadable"] * 2


def test_of_a_folder_that_cannot_be_listed_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    unusual = Unusual(Metrics())
    for is_met in (True, True, False, True):
        unusual.begin()
        if is_met:
            unusual.report(Case.UNREADABLE, "pods", "cannot list")
        unusual.end({"a.log"})
    assert caplog.messages == ["cannot list"] * 2


def test_names_of_any_bytes_can_be_said(caplog: pytest.LogCaptureFixture) -> None:
    Unusual(Metrics()).report(Case.UNREADABLE, "\udcff.log", "unreadable")
    assert vars(caplog.records[0])["path"] == "/\udcff.log"


def test_what_could_not_be_read_is_counted_by_cycle() -> None:
    unusual = Unusual(Metrics())
    unusual.report(Case.UNREADABLE, "a.log", "unreadable")
    unusual.report(Case.REPLACED, "b.log", "replaced")
    assert unusual.unreadable == 1
    unusual.begin()
    assert unusual.unreadable == 0
