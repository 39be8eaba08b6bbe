"""What is around a cycle; the cycle itself is `test_cycle.py`'s."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nodelog.archive.index import index_of
from nodelogd.compressor import compressor as module
from nodelogd.compressor.compressor import Compressor, Cycle, Result
from nodelogd.compressor.cycle import Case, Outcome, StoppedError
from nodelogd.compressor.lock import BusyError, locked
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings
from nodelogd.retention import Budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.discovery import Found

ALL = Budget(size=None, count=None, age=None, free=None, least=1)


class Engine:
    """Stands for the cycle."""

    def __init__(self) -> None:
        """Begin with one that works."""
        self.calls: list[tuple[list[str], Path, Path | None]] = []
        self.fails: Exception | None = None
        self.published = True
        self.unusual: list[tuple[Case, str, str]] = []

    def run(  # noqa: PLR0913, PLR0917 (as many as the real one takes)
        self, found: list[Found], open_file: Callable[[Found], int], target: Path, seed: Path | None,
        report: Callable[[Case, str, str], None], stopping: Callable[[], bool],
    ) -> Outcome:  # fmt: skip
        """Open all files, and leave an archive."""
        self.calls.append(([each.name for each in found], target, seed))
        for each in found:
            os.close(open_file(each))
        for case, name, text in self.unusual:
            report(case, name, text)
        if stopping():
            raise StoppedError
        if self.fails:
            raise self.fails
        target.write_bytes(b"archive")
        return Outcome(
            published=self.published, files=len(found), changed=1, bytes_read=2, bytes_compressed=3,
            bytes_copied=4, archive_size=5,
        )  # fmt: skip


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Put one in the place of the real one."""
    made = Engine()
    monkeypatch.setattr(module, "Archive", lambda **_: made)
    return made


@pytest.fixture
def settings(logs: Path) -> Settings:
    (logs / "a.log").write_bytes(b"line\n")
    return Settings(directory=logs, out=logs, keep=ALL)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def cycle(compressor: Compressor) -> Cycle:
    return compressor.cycle(lambda: False, lambda _: False)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def day(days: int = 0) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def archive(logs: Path, days: int = 0) -> Path:
    return logs / f"all-logs-{day(days)}.tar.gz"


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
    keep = replace(ALL, count=1)
    cycle(Compressor(replace(settings, keep=keep), metrics))
    left = sorted(path.name for path in settings.out.glob("all-logs-*"))
    assert left == ([archive(settings.out, -1).name] if fails else [archive(settings.out).name])


def test_an_archive_that_cannot_be_removed_keeps_no_other_and_fails_no_cycle(
    engine: Engine, settings: Settings, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    archive(settings.out, -3).mkdir()
    archive(settings.out, -2).write_bytes(b"old")
    compressor = Compressor(replace(settings, keep=replace(ALL, count=1)), metrics)
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
    orphan = index_of(archive(settings.out, -1))
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
