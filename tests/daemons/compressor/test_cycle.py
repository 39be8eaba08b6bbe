"""After a cycle the archive holds exactly the snapshots, whatever became of the logs."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.archiving import Place, lines

from nodelog.archive.index import index_path, read_matching_index
from nodelogd.compressor.cycle import Archive, Case, StoppedError

if TYPE_CHECKING:
    from pathlib import Path


MIB = 1024 * 1024


def test_a_first_cycle_archives_all_and_a_second_writes_nothing(place: Place) -> None:
    contents = {
        "a.log": lines(1, 3_000_000),
        "b.log": lines(2, 500),
        "c.log": b"",
        "d.log": lines(3, 200_000),
    }
    for name, data in contents.items():
        (place.logs / name).write_bytes(data)
    outcome = place.cycle()
    assert (outcome.published, outcome.files, outcome.changed) == (True, 4, 4)
    assert outcome.archive_size == place.target.stat().st_size
    assert place.members() == contents
    before = place.target.stat()
    outcome = place.cycle()
    assert (outcome.published, outcome.files, outcome.changed, outcome.bytes_read) == (False, 4, 0, 0)
    assert place.target.stat() == before
    assert place.leftovers() == []


def test_a_new_process_goes_on_where_the_last_one_ended(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    place.restart()
    assert not place.cycle().published
    with (place.logs / "a.log").open("ab") as file:
        file.write(lines(2, 1000))
    place.restart()
    assert place.cycle().bytes_read < 2 * MIB
    assert place.members() == {"a.log": (place.logs / "a.log").read_bytes()}


def test_a_log_that_grows_costs_only_what_is_new(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(lines(1, 20 * MIB))
    place.cycle()
    for number in range(4):
        with log.open("ab") as file:
            file.write(lines(number, 700_000))
        outcome = place.cycle()
        assert outcome.bytes_compressed < 3 * MIB
        assert outcome.bytes_read < 4 * MIB
        assert place.members() == {"a.log": log.read_bytes()}


def test_a_renamed_log_is_not_compressed_again(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(lines(1, 10 * MIB))
    place.cycle()
    log.rename(place.logs / "b.log")
    log.write_bytes(lines(2, 100))
    outcome = place.cycle()
    assert outcome.bytes_compressed < 2 * MIB
    assert place.cases == [(Case.REPLACED, "a.log")]
    assert place.members() == {"a.log": lines(2, 100), "b.log": lines(1, 10 * MIB)}


@pytest.mark.parametrize("size", [500, 300_000, 3_000_000])
@pytest.mark.parametrize("regrown", [0, 1, 2])
def test_a_truncated_log_is_archived_anew(size: int, regrown: int, place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(lines(1, size))
    place.cycle()
    os.truncate(log, 0)
    with log.open("ab") as file:
        file.write(lines(2, size * 2)[: log.stat().st_size + regrown * len(lines(1, size)) or 1] + b"\n")
    place.cycle()
    assert place.cases == [(Case.TRUNCATED, "a.log")]
    assert place.members() == {"a.log": log.read_bytes()}


def test_a_log_that_is_gone_leaves_the_archive(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    (place.logs / "b.log").write_bytes(lines(2, 300))
    place.cycle()
    (place.logs / "a.log").unlink()
    assert place.cycle().published
    assert place.members() == {"b.log": lines(2, 300)}


def test_mode_owner_and_time_are_archived(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(b"x\n")
    log.chmod(0o640)
    os.utime(log, (1, 1_700_000_000))
    place.cycle()
    with tarfile.open(place.target) as tar:
        member = tar.getmembers()[0]
    status = log.stat()
    assert (member.mode, member.mtime) == (0o640, 1_700_000_000)
    assert (member.uid, member.gid) == (status.st_uid, status.st_gid)
    assert member.name == str(log).lstrip("/")
    log.chmod(0o600)
    place.cycle()
    with tarfile.open(place.target) as tar:
        assert tar.getmembers()[0].mode == 0o600


def test_only_the_owner_may_read_an_archive_unless_told_otherwise(place: Place) -> None:
    (place.logs / "a.log").write_bytes(b"x\n")
    place.cycle()
    assert [stat.S_IMODE(p.stat().st_mode) for p in (place.target, index_path(place.target))] == [0o600] * 2
    place.archive = Archive(mode=0o640)
    (place.logs / "a.log").write_bytes(b"xy\n")
    place.cycle()
    assert [stat.S_IMODE(p.stat().st_mode) for p in (place.target, index_path(place.target))] == [0o640] * 2


NAMES = ["-x.log", "n" * 200, "a\nb", "\udcff\udcfe", "ä", " ", "--", "p" * 89, "p" * 90, "p" * 91, "p" * 92]


def test_any_name_is_archived_and_read_by_gnu_tar(place: Place, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (place.logs / name).write_bytes(lines(number, 100))
    place.cycle()
    assert place.members() == {name: lines(number, 100) for number, name in enumerate(NAMES)}
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", place.target, "-C", out], check=True)
    back = out / str(place.logs).lstrip("/")
    assert {path.name: path.read_bytes() for path in back.iterdir()} == place.members()
    (place.logs / NAMES[0]).write_bytes(b"more\n")
    place.restart()
    assert place.cycle().changed == 1


def test_a_day_begins_with_what_the_last_one_has(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(lines(1, 10 * MIB))
    place.cycle()
    for is_new_process in (False, True):
        place.seed, place.target = place.target, place.target.with_name(f"{is_new_process}.tar.gz")
        if is_new_process:
            place.archive = Archive()
        outcome = place.cycle()
        assert outcome.published
        assert outcome.bytes_compressed < MIB
        assert place.members() == {"a.log": log.read_bytes()}


def test_who_is_to_stop_stops_at_the_next_piece_and_leaves_the_last_archive(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(lines(1, 100))
    place.cycle()
    before = place.target.read_bytes()
    log.write_bytes(lines(2, 3_000_000))
    for after in range(6):
        left = iter(range(after))
        place.stopping = lambda left=left: next(left, None) is None  # type: ignore[misc]
        with pytest.raises(StoppedError):
            place.cycle()
        assert place.target.read_bytes() == before
        assert place.leftovers() == []
    place.stopping = lambda: False
    place.cycle()
    assert place.members() == {"a.log": lines(2, 3_000_000)}


def test_a_sparse_log_of_nine_gibibytes_takes_no_time(place: Place) -> None:
    log = place.logs / "a.log"
    with log.open("wb") as file:
        file.truncate(9 * 1024 * MIB)
        file.seek(5 * 1024 * MIB + 12345)
        file.write(b"in the middle\n")
    outcome = place.cycle()
    assert outcome.bytes_read < 20 * MIB
    index = read_matching_index(place.target)
    (member,) = index.members
    assert member.length == 9 * 1024 * MIB
    assert outcome.archive_size < 12 * MIB
    with log.open("ab") as file:
        file.write(b"and at the end\n")
    assert place.cycle().bytes_compressed < MIB


def test_holes_are_zeros_in_the_archive(place: Place) -> None:
    log = place.logs / "a.log"
    with log.open("wb") as file:
        file.write(lines(1, 100_000))
        file.seek(10 * MIB + 777)
        file.write(lines(2, 100_000))
        file.truncate(15 * MIB)
    place.cycle()
    assert place.members() == {"a.log": log.read_bytes()}


def test_a_log_with_two_names_is_neither_replaced_nor_truncated(place: Place) -> None:
    log, other = place.logs / "a.log", place.logs / "b.log"
    log.write_bytes(lines(1, 3_000_000))
    other.hardlink_to(log)
    place.cycle()
    with log.open("ab") as file:
        file.write(lines(2, 1000))
    assert place.cycle().bytes_compressed < 4 * MIB
    assert place.cases == []
    assert place.members() == {"a.log": log.read_bytes(), "b.log": log.read_bytes()}
