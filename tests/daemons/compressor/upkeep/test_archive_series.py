"""A finished day is never replaced by less, whatever the clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from tests.archive_contents import archive_contents

from nodelogd.compressor.compressor import Compressor, CycleResult
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings
from nodelogd.compressor.upkeep.archive_names import ArchiveNames
from nodelogd.compressor.upkeep.archive_record import ArchiveRecord, read_record, write_record
from nodelogd.compressor.upkeep.archive_series import ArchiveSeries
from nodelogd.service.files.disk_budget import Budget

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

MONDAY, TUESDAY = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))  # never the same day


def compressor(logs: Path, zone: tzinfo, out: Path | None = None, *, keep: int = 7) -> Compressor:
    budget = Budget(max_bytes=None, max_files=keep, min_free_share=None, always_kept=1)
    settings = Settings(directory=logs, out=out or logs, zone=zone, retention=budget, link=False)
    return Compressor(settings, Metrics(), lines_wait=False)


def cycle(one: Compressor) -> Path:
    """Run a cycle and return the archive that it wrote."""
    assert one.run_cycle(lambda: False, lambda _: False).result in {
        CycleResult.PUBLISHED,
        CycleResult.UNCHANGED,
    }
    return one.current_archive()


def test_a_clock_or_zone_that_goes_back_leaves_the_finished_archive(
    logs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (logs / "monday.log").write_bytes(b"monday\n")
    monday = cycle(compressor(logs, MONDAY))
    before = monday.read_bytes()
    (logs / "monday.log").unlink()
    (logs / "tuesday.log").write_bytes(b"tuesday\n")
    tuesday = cycle(compressor(logs, TUESDAY))
    assert tuesday != monday
    beside = {cycle(compressor(logs, MONDAY)) for _ in range(3)}
    assert beside == {monday.with_name(monday.name.replace(".tar", ".2.tar"))}
    assert monday.read_bytes() == before
    assert archive_contents(beside.pop(), logs) == {"tuesday.log": b"tuesday\n"}
    assert any(f"{monday} is finished" in message for message in caplog.messages)
    assert cycle(compressor(logs, TUESDAY)) == tuesday
    (logs / "tuesday.log").unlink()
    (logs / "late.log").write_bytes(b"late\n")
    third = cycle(compressor(logs, MONDAY))
    assert third.name == monday.name.replace(".tar", ".3.tar")
    assert monday.read_bytes() == before


def test_a_finished_archive_that_loses_nothing_is_continued(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    monday = cycle(compressor(logs, MONDAY))
    cycle(compressor(logs, TUESDAY))
    with (logs / "a.log").open("ab") as file:
        file.write(b"two\n")
    assert cycle(compressor(logs, MONDAY)) == monday
    assert archive_contents(monday, logs) == {"a.log": b"one\ntwo\n"}


def test_a_log_that_was_truncated_is_lost_from_a_finished_archive(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    monday = cycle(compressor(logs, MONDAY))
    cycle(compressor(logs, TUESDAY))
    (logs / "a.log").write_bytes(b"other content\n")
    assert cycle(compressor(logs, MONDAY)) != monday
    assert archive_contents(monday, logs) == {"a.log": b"one\n"}


def test_an_archive_of_a_later_day_is_named_and_stops_nothing(
    logs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (logs / "a.log").write_bytes(b"one\n")
    future = logs / "all-logs-2099-01-01.tar.gz"
    future.write_bytes(b"from a time when the clock was wrong")
    today = ArchiveNames(logs, "all-logs-{date}.tar.gz").archive_path(datetime.now(UTC).timestamp(), UTC)
    for number in range(3):
        (logs / "a.log").write_bytes(b"rewritten %d\n" % number)
        assert cycle(compressor(logs, UTC)) == today
    assert future.exists()
    assert archive_contents(today, logs) == {"a.log": b"rewritten 2\n"}
    assert any("it is of a later day" in message for message in caplog.messages)


def test_two_compressors_with_the_same_output_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, two, out = (tmp_path / name for name in ("one", "two", "out"))
    for folder in (one, two, out):
        folder.mkdir()
    (one / "a.log").write_bytes(b"1\n")
    (two / "b.log").write_bytes(b"2\n")
    archive = cycle(compressor(one, UTC, out))
    old = out / "all-logs-2026-01-01.tar.gz"
    old.write_bytes(b"old")
    second = compressor(two, UTC, out, keep=1)
    assert second.run_cycle(lambda: False, lambda _: False).result is CycleResult.FAILED
    assert f"has the logs of {one}; set another --out" in second.readiness.not_ready_reasons()["start"]
    assert archive_contents(archive, one) == {"a.log": b"1\n"}
    assert old.exists()
    second.names.record.unlink()
    cycle(second)
    assert archive_contents(archive, two) == {"b.log": b"2\n"}


@pytest.mark.parametrize("content", [b"", b"[" * 50_000, b"{}", b'{"directory": 1}', b"x" * 100_000])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record"
    assert read_record(path) is None
    path.write_bytes(content)
    assert read_record(path) is None
    record = ArchiveRecord(directory="/var/log", archive="a")
    write_record(path, record)
    assert read_record(path) == record


def test_without_a_record_an_archive_is_finished_if_there_is_a_later_one(tmp_path: Path) -> None:
    names = ArchiveNames(tmp_path, "a-{date}")
    series = ArchiveSeries(names, tmp_path, UTC)
    now = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    for name, expected in (("a-2026-11-22", "a-2026-11-22"), ("a-2026-11-23", "a-2026-11-22.2")):
        (tmp_path / name).write_bytes(b"")
        names.record.unlink(missing_ok=True)
        assert series.choose(now, names.list_archives(), lambda _: True).name == expected
