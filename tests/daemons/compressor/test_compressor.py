"""What is around a cycle; the cycle itself is `test_cycle.py`'s."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.daemons.compressor.engine import Engine, archive, cycle, value

from nodelogd.compressor.compressor import Compressor, Cycle, Result
from nodelogd.compressor.cycle import Case

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.settings import Settings


def test_a_cycle_archives_what_is_found_and_counts(
    engine: Engine, settings: Settings, metrics: Metrics
) -> None:
    compressor = Compressor(settings, metrics)
    assert compressor.freshness.reasons()
    assert cycle(compressor) == Cycle(result=Result.PUBLISHED)
    name = str(settings.directory / "a.log").lstrip("/")
    assert engine.calls == [([name], archive(settings.out), None)]
    assert compressor.freshness.reasons() == {}
    found = {
        name: value(metrics, f"nodelog_archive_{name}")
        for name in (
            "changed_files_total",
            "read_bytes_total",
            "compressed_bytes_total",
            "copied_bytes_total",
        )
    }
    assert list(found.values()) == [1, 2, 3, 4]
    assert value(metrics, "nodelog_archive_size_bytes") == 5
    assert value(metrics, "nodelog_archive_files") == 1
    assert value(metrics, "nodelog_archives") == 1
    assert value(metrics, "nodelog_archive_cycles_total", result="published") == 1
    assert value(metrics, "nodelog_archive_cycle_seconds_count") == 1
    assert value(metrics, "nodelog_archive_last_success_timestamp_seconds") > 0
    assert compressor.last["result"] == "published"
    assert compressor.last["archive_bytes"] == 5


def test_a_cycle_without_news_is_counted_as_such(
    engine: Engine, settings: Settings, metrics: Metrics
) -> None:
    engine.published = False
    assert cycle(Compressor(settings, metrics)).result is Result.UNCHANGED
    assert value(metrics, "nodelog_archive_cycles_total", result="unchanged") == 1


def test_a_failed_cycle_is_said_once_and_the_next_success_too(
    engine: Engine, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    compressor = Compressor(settings, metrics, ", next try in 60 s")
    engine.fails = OSError(errno.ENOSPC, "No space left on device", "/x/y.tmp-17-ab12")
    for _ in range(3):
        assert cycle(compressor) == Cycle(result=Result.FAILED)
    text = (
        f"cannot make an archive of {settings.directory}: No space left on device: /x/y; "
        "the last archive stands, next try in 60 s"
    )
    assert compressor.freshness.reasons() == {"start": text}
    engine.fails = None
    assert cycle(compressor).result is Result.PUBLISHED
    assert caplog.messages == [text, "archives are made again"]
    assert value(metrics, "nodelog_archive_cycles_total", result="failed") == 3
    assert compressor.freshness.reasons() == {}


def test_a_directory_that_is_missing_leaves_the_archive(
    engine: Engine, settings: Settings, metrics: Metrics, tmp_path: Path
) -> None:
    settings = replace(settings, out=tmp_path)
    archive(tmp_path).write_bytes(b"old")
    settings.directory.rename(tmp_path / "away")
    assert cycle(Compressor(settings, metrics)).result is Result.FAILED
    assert archive(tmp_path).read_bytes() == b"old"
    assert engine.calls == []


def test_a_directory_without_logs_leaves_the_archive_and_is_said_once(
    engine: Engine, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    compressor = Compressor(settings, metrics)
    cycle(compressor)
    (settings.directory / "a.log").unlink()
    for _ in range(2):
        assert cycle(compressor).result is Result.EMPTY
    assert archive(settings.out).exists()
    (message,) = caplog.messages
    assert message == f"no file matches in {settings.directory}; what is archived stays as it is"
    assert compressor.freshness.reasons() == {}
    assert len(engine.calls) == 1


def test_unusual_files_are_counted_each_time_and_said_once(
    engine: Engine, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(settings.directory / "a.log").lstrip("/")
    engine.unusual = [(Case.UNREADABLE, name, "cannot read it")]
    compressor = Compressor(settings, metrics)
    for _ in range(3):
        assert cycle(compressor) == Cycle(result=Result.PUBLISHED, unreadable=1)
    assert caplog.messages == ["cannot read it"]
    assert caplog.records[0].levelname == "WARNING"
    assert vars(caplog.records[0])["path"] == str(settings.directory / "a.log")
    assert value(metrics, "nodelog_archive_unusual_files_total", case="unreadable") == 3
    engine.unusual = []
    assert cycle(compressor).unreadable == 0


def test_a_folder_that_cannot_be_listed_is_unreadable(
    engine: Engine, settings: Settings, metrics: Metrics, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (settings.directory / "pod").mkdir()
    real = os.scandir

    def listing(path: bytes) -> Any:  # noqa: ANN401 (as scandir has it)
        if path.endswith(b"/pod"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", listing)
    compressor = Compressor(replace(settings, include=("**/*.log",)), metrics)
    assert cycle(compressor) == Cycle(result=Result.PUBLISHED, unreadable=1)
    assert len(engine.calls) == 1
    assert caplog.messages == [
        f"cannot list {settings.directory}/pod: Permission denied; what is in it is not archived"
    ]


def test_stopped_it_says_so_and_the_archive_stands(
    engine: Engine, settings: Settings, metrics: Metrics
) -> None:
    compressor = Compressor(settings, metrics)
    assert compressor.cycle(lambda: True, lambda _: False).result is Result.STOPPED
    assert len(engine.calls) == 1
    assert not archive(settings.out).exists()
    assert value(metrics, "nodelog_archive_cycles_total", result="stopped") == 1
