"""What a cycle takes from the last one, and what it does if index, archive or pieces cannot be trusted."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.archiving import Place, lines

from nodelog.archive.index import decode_index, encode_index, index_path, read_matching_index

if TYPE_CHECKING:
    from nodelogd.compressor.scan.discovery import Found


@pytest.mark.parametrize("spoil", [None, b"", b"{}", b"x" * 1000])
def test_without_a_good_index_everything_is_compressed_anew(spoil: bytes | None, place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    index = index_path(place.target)
    if spoil is None:
        index.unlink()
    else:
        index.write_bytes(spoil)
    place.restart()
    outcome = place.cycle()
    assert (outcome.published, outcome.bytes_copied) == (True, 0)
    assert outcome.bytes_read > 3_000_000
    assert place.members() == {"a.log": lines(1, 3_000_000)}
    read_matching_index(place.target)


def test_an_index_whose_lines_do_not_add_up_is_not_trusted(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 3_000_000))
    place.cycle()
    trailer, _ = decode_index(index_path(place.target).read_bytes())
    rows = index_path(place.target).read_bytes().splitlines(keepends=True)
    del rows[3]  # a piece of a mebibyte
    index_path(place.target).write_bytes(encode_index(trailer, rows[1:-1]))
    place.restart()
    assert place.cycle().bytes_copied == 0
    assert place.members() == {"a.log": lines(1, 3_000_000)}


def test_with_a_bad_index_and_no_log_that_can_be_read_the_archive_stands(place: Place) -> None:
    (place.logs / "a.log").write_bytes(lines(1, 300))
    place.cycle()
    before = place.target.read_bytes()
    index_path(place.target).write_bytes(b"bad")
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
    index = index_path(place.target)
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
