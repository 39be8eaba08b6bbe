"""A scrub finds what no cycle sees, and the next cycle mends it."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.archiving import Place, lines

from nodelog.archive.index import index_path, read_matching_index
from nodelogd.compressor.cycle import Case, Scrubbed, StoppedError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    for name, size in (("a.log", 5_000_000), ("b.log", 5_000), ("c.log", 200_000)):
        (place.logs / name).write_bytes(lines(1, size))
    place.cycle()
    return place


def test_what_is_whole_is_left_alone(place: Place) -> None:
    assert place.scrub() == Scrubbed()
    assert place.cases == []
    assert not place.cycle().published


def test_a_scrub_of_a_new_process_reads_the_index(place: Place) -> None:
    place.restart()
    assert place.scrub() == Scrubbed()
    assert not place.cycle().published


@pytest.mark.parametrize("share", [number / 10 for number in range(11)])
def test_damage_anywhere_in_the_archive_is_found_and_mended(share: float, place: Place) -> None:
    status = place.target.stat()
    with place.target.open("r+b") as file:
        file.seek(int((status.st_size - 1) * share))
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xFF]))
    os.utime(place.target, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a disk does it
    damage = place.scrub().damage
    assert "damaged" in damage
    assert len(damage.splitlines()) == 1
    place.restart()  # and even who comes next knows
    assert place.cycle().bytes_copied == 0
    assert place.members()["a.log"] == (place.logs / "a.log").read_bytes()
    assert place.scrub() == Scrubbed()


@pytest.mark.parametrize("offset", [10_000, 1_500_000, 4_000_000])
def test_an_edit_in_the_middle_of_a_log_is_found_and_archived(offset: int, place: Place) -> None:
    log = place.logs / "a.log"
    with log.open("r+b") as file:
        file.seek(offset)
        file.write(b"edited")
    place.cycle()
    assert place.members()["a.log"] != log.read_bytes()
    assert place.scrub() == Scrubbed(edited=1)
    assert place.cases == [(Case.EDITED, "a.log")]
    assert place.cycle().published
    assert place.members()["a.log"] == log.read_bytes()
    assert place.scrub() == Scrubbed()


def test_a_hole_that_was_made_in_the_middle_of_a_log_is_an_edit(place: Place) -> None:
    log = place.logs / "a.log"
    subprocess.run(["fallocate", "--punch-hole", "--offset=1MiB", "--length=1MiB", log], check=True)
    assert place.scrub() == Scrubbed(edited=1)
    place.cycle()
    assert place.members()["a.log"] == log.read_bytes()
    assert place.scrub() == Scrubbed()


def test_an_edit_is_not_forgotten_with_who_found_it(place: Place) -> None:
    log = place.logs / "a.log"
    with log.open("r+b") as file:
        file.seek(1_500_000)
        file.write(b"edited")
    place.cycle()
    assert place.scrub() == Scrubbed(edited=1)
    place.restart()  # before it could mend it
    place.cycle()
    assert place.members()["a.log"] == log.read_bytes()
    assert place.scrub() == Scrubbed()


def test_an_archive_that_cannot_be_read_is_made_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pread = os.pread

    def bad_sector(fd: int, length: int, offset: int) -> bytes:
        if offset > 1000:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", bad_sector)
    assert place.scrub().damage == "it cannot be read: Input/output error"
    monkeypatch.undo()
    assert place.cycle().bytes_copied == 0
    assert place.scrub() == Scrubbed()


def test_a_log_that_was_truncated_since_is_no_edit(place: Place) -> None:
    os.truncate(place.logs / "a.log", 100)
    assert place.scrub() == Scrubbed()


def test_a_damaged_index_is_written_again(place: Place) -> None:
    index = index_path(place.target)
    status = index.stat()
    index.write_bytes(b"x" * status.st_size)
    os.utime(index, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert place.scrub() == Scrubbed()
    assert not place.cycle().published
    read_matching_index(place.target)


def test_without_an_archive_or_an_index_there_is_nothing_to_scrub(place: Place) -> None:
    index_path(place.target).unlink()
    place.restart()
    assert place.scrub() == Scrubbed()
    place.target.unlink()
    assert place.scrub() == Scrubbed()


def test_a_scrub_stops_when_it_is_told(place: Place) -> None:
    place.stopping = lambda: True
    with pytest.raises(StoppedError):
        place.scrub()
