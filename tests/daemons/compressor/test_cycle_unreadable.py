"""Logs that cannot be read, or vanish, shrink or fail while a cycle reads them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from tests.daemons.compressor.archiving import Place, lines

from nodelogd.compressor.cycle import Case

if TYPE_CHECKING:
    from nodelogd.compressor.scan.discovery import Found


MIB = 1024 * 1024


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
