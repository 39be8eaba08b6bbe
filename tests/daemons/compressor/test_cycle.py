"""After a cycle the archive holds exactly the snapshots, whatever became of the logs."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.archiving import Place, lines

from nodelog.archive.index import decoded, encoded, index_of, read_for
from nodelogd.compressor.cycle import Archive, Case, StoppedError

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.discovery import Found

MIB = 1024 * 1024


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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


def test_an_unfinished_line_waits_until_it_has_not_grown_for_a_cycle(place: Place) -> None:
    log = place.logs / "a.log"
    log.write_bytes(b"one\ntwo")
    place.cycle()
    assert place.members() == {"a.log": b"one\n"}
    with log.open("ab") as file:
        file.write(b" and")
    place.cycle()
    assert place.members() == {"a.log": b"one\n"}
    place.restart()  # the index remembers, for `--once`
    assert place.cycle().published
    assert place.members() == {"a.log": b"one\ntwo and"}
    assert not place.cycle().published
    with log.open("ab") as file:
        file.write(b" three")
    place.cycle()
    assert place.members() == {"a.log": b"one\n"}


def test_an_unfinished_line_of_more_than_a_mebibyte_does_not_wait(place: Place) -> None:
    data = b"one\n" + b"x" * (MIB + 1)
    (place.logs / "a.log").write_bytes(data)
    place.cycle()
    assert place.members() == {"a.log": data}


def test_an_unfinished_line_that_goes_on_behind_a_finished_piece_waits_again(place: Place) -> None:
    log = place.logs / "a.log"
    whole = lines(1, 2 * MIB - 1000)
    log.write_bytes(whole + b"x" * 2000)
    place.cycle()
    place.cycle()
    assert place.members() == {"a.log": whole + b"x" * 2000}
    with log.open("ab") as file:
        file.write(b"x")
    place.cycle()
    assert place.members() == {"a.log": whole}
    assert place.cases == []
    with log.open("ab") as file:
        file.write(b"\n")
    place.cycle()
    assert place.members() == {"a.log": log.read_bytes()}
    assert place.scrub().damage == ""


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
    assert [stat.S_IMODE(p.stat().st_mode) for p in (place.target, index_of(place.target))] == [0o600] * 2
    place.archive = Archive(mode=0o640)
    (place.logs / "a.log").write_bytes(b"xy\n")
    place.cycle()
    assert [stat.S_IMODE(p.stat().st_mode) for p in (place.target, index_of(place.target))] == [0o640] * 2


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


def test_an_unreadable_log_is_left_out_and_said(place: Place) -> None:
    for name in ("a.log", "b.log", "c.log"):
        (place.logs / name).write_bytes(lines(1, 300))

    def open_file(found: Found) -> int:
        if found.name.endswith("b.log"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return place.open(found)

    place.open_file = open_file
    assert place.cycle().files == 2
    assert place.cases == [(Case.UNREADABLE, "b.log")]
    assert place.texts == [f"{place.logs}/b.log cannot be read: Permission denied; it is not archived"]
    assert place.members().keys() == {"a.log", "c.log"}
    assert not place.cycle().published  # it is no change
    assert place.cases == [(Case.UNREADABLE, "b.log")]


def test_a_log_that_cannot_be_read_any_more_leaves_the_archive(place: Place) -> None:
    for name in ("a.log", "b.log"):
        (place.logs / name).write_bytes(lines(1, 300_000))
    place.cycle()

    def open_file(found: Found) -> int:
        if found.name.endswith("b.log"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return place.open(found)

    place.open_file = open_file
    (place.logs / "b.log").chmod(0)
    assert place.cycle().published
    assert place.members().keys() == {"a.log"}
    assert not place.cycle().published


def test_a_log_that_vanishes_before_its_turn_is_left_out(place: Place) -> None:
    for name in ("a.log", "b.log"):
        (place.logs / name).write_bytes(lines(1, 300))

    def open_file(found: Found) -> int:
        (place.logs / "b.log").unlink(missing_ok=True)
        return place.open(found)

    place.open_file = open_file
    place.cycle()
    assert place.cases == [(Case.VANISHED, "b.log")]
    assert place.members().keys() == {"a.log"}


@pytest.mark.parametrize("size", [90_000, 5_000_000])
def test_a_log_that_shrinks_while_it_is_read_is_read_anew(
    size: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 5000))
    log = place.logs / "b.log"
    log.write_bytes(lines(2, size))
    (place.logs / "c.log").write_bytes(lines(3, 5000))
    real, reads = os.preadv, []

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(fd).st_ino == log.stat().st_ino:
            reads.append(offset)
            if offset >= size - 70_000 or len(reads) == 3:
                os.truncate(log, 40_000)
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    place.cycle()
    assert (Case.SHRANK, "b.log") in place.cases
    members = place.members()
    assert members["b.log"] == lines(2, size)[: lines(2, size).rfind(b"\n", 0, 40_000) + 1]
    assert (members["a.log"], members["c.log"]) == (lines(1, 5000), lines(3, 5000))


def test_a_log_that_cannot_be_read_to_its_end_leaves_no_trace(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 5000))
    log = place.logs / "b.log"
    log.write_bytes(lines(2, 5_000_000))
    real = os.preadv

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        if offset == 2 * MIB:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    place.cycle()
    assert place.cases == [(Case.UNREADABLE, "b.log")]
    assert place.members() == {"a.log": lines(1, 5000)}


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


@pytest.mark.parametrize("spoil", [None, b"", b"{}", b"x" * 1000])
def test_without_a_good_index_everything_is_compressed_anew(spoil: bytes | None, place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    index = index_of(place.target)
    if spoil is None:
        index.unlink()
    else:
        index.write_bytes(spoil)
    place.restart()
    outcome = place.cycle()
    assert (outcome.published, outcome.bytes_copied) == (True, 0)
    assert outcome.bytes_read > 3_000_000
    assert place.members() == {"a.log": lines(1, 3_000_000)}
    read_for(place.target)


def test_an_index_whose_lines_do_not_add_up_is_not_trusted(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    trailer, _ = decoded(index_of(place.target).read_bytes())
    rows = index_of(place.target).read_bytes().splitlines(keepends=True)
    del rows[3]  # a piece of a mebibyte
    index_of(place.target).write_bytes(encoded(trailer, rows[1:-1]))
    place.restart()
    assert place.cycle().bytes_copied == 0
    assert place.members() == {"a.log": lines(1, 3_000_000)}


def test_with_a_bad_index_and_no_log_that_can_be_read_the_archive_stands(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 300))
    place.cycle()
    before = place.target.read_bytes()
    index_of(place.target).write_bytes(b"bad")
    place.restart()

    def open_file(found: Found) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", found.path)

    place.open_file = open_file
    with pytest.raises(OSError, match="none of 1 files could be read"):
        place.cycle()
    assert place.target.read_bytes() == before


def test_an_index_that_is_lost_while_we_live_is_written_again(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    index = index_of(place.target)
    before = index.read_bytes()
    index.unlink()
    assert not place.cycle().published
    assert index.read_bytes() == before


def test_an_archive_that_somebody_else_made_is_made_anew(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    place.target.write_bytes(b"something else")
    assert place.cycle().bytes_copied == 0
    assert place.members() == {"a.log": lines(1, 3_000_000)}


def test_an_archive_that_is_removed_is_made_anew(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    place.target.unlink()
    assert place.cycle().bytes_copied == 0
    assert place.members() == {"a.log": lines(1, 3_000_000)}


def test_a_sparse_log_of_nine_gibibytes_takes_no_time(place: Place) -> None:
    log = place.logs / "a.log"
    with log.open("wb") as file:
        file.truncate(9 * 1024 * MIB)
        file.seek(5 * 1024 * MIB + 12345)
        file.write(b"in the middle\n")
    outcome = place.cycle()
    assert outcome.bytes_read < 20 * MIB
    index = read_for(place.target)
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


def test_a_log_that_was_young_is_looked_into_once(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 300_000))
    place.cycle()
    opened: list[str] = []

    def open_file(found: Found) -> int:
        opened.append(found.name)
        return place.open(found)

    place.open_file = open_file
    now = (place.logs / "a.log").stat().st_ctime
    while time.time() < now + 0.1:
        place.cycle()
    opened.clear()
    assert not place.cycle().published
    assert opened == []


def test_of_small_logs_that_share_a_piece_only_the_changed_one_is_read(place: Place) -> None:
    for number in range(20):
        (place.logs / f"{number:02}.log").write_bytes(lines(number, 3000))
    place.cycle()
    while time.time() < (place.logs / "19.log").stat().st_ctime + 0.1:
        place.cycle()  # until their times tell
    for more in (b"more\n", b"and more\n"):
        with (place.logs / "07.log").open("ab") as log:
            log.write(more)
        outcome = place.cycle()
        assert outcome.published
        assert outcome.bytes_read < 15_000  # three looks at one of the twenty
        assert place.members() == {path.name: path.read_bytes() for path in place.logs.iterdir()}


def test_small_logs_are_read_where_the_piece_they_share_is_damaged(place: Place) -> None:
    for number in range(20):
        (place.logs / f"{number:02}.log").write_bytes(lines(number, 3000))
    place.cycle()
    while time.time() < (place.logs / "19.log").stat().st_ctime + 0.1:
        place.cycle()
    times = place.target.stat()
    with place.target.open("r+b") as archive:
        archive.seek(500)
        archive.write(b"rot")
    os.utime(place.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    (place.logs / "07.log").write_bytes(b"new\n")
    place.cycle()
    assert place.members() == {path.name: path.read_bytes() for path in place.logs.iterdir()}
