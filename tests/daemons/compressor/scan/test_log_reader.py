"""A log is read as it is, or an error says why it cannot be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.scan.log_reader import LogReader, ShrankError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

MIB = 1024 * 1024


@pytest.fixture
def open_log(tmp_path: Path) -> Generator[Callable[[bytes], LogReader]]:
    fds = []

    def write(data: bytes) -> LogReader:
        (tmp_path / "log").write_bytes(data)
        fds.append(os.open(tmp_path / "log", os.O_RDWR))
        return LogReader(fds[-1], memoryview(bytearray(CHUNK)))

    yield write
    for fd in fds:
        os.close(fd)


def test_bytes_in_the_window_are_not_read_again(open_log: Callable[[bytes], LogReader]) -> None:
    data = os.urandom(3 * MIB)
    log = open_log(data)
    assert log.read(MIB, 100_000) == data[MIB : MIB + 100_000]
    bytes_read = log.bytes_read
    assert log.read(MIB, MIB) == data[MIB : 2 * MIB]
    assert log.read(2 * MIB - 10, 10) == data[2 * MIB - 10 : 2 * MIB]
    assert log.bytes_read == bytes_read
    assert log.read(0, 4096) == data[:4096]
    assert log.read(MIB, MIB) == data[MIB : 2 * MIB]
    assert log.bytes_read == bytes_read + 4096
    assert log.read(3 * MIB - 7, 7) == data[-7:]
    assert not log.read(3 * MIB, 0)


def test_a_file_that_became_shorter_is_detected(open_log: Callable[[bytes], LogReader]) -> None:
    log = open_log(b"x" * 200_000)
    os.ftruncate(log.fd, 100_000)
    with pytest.raises(ShrankError):
        log.read(0, 200_000)
    log.refresh()
    assert log.read(0, 100_000) == b"x" * 100_000


def test_a_read_error_carries_its_reason(
    open_log: Callable[[bytes], LogReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    def preadv(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    log = open_log(b"x" * 100)
    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(UnreadableError) as caught:
        log.read(0, 100)
    assert caught.value.reason.errno == errno.EIO


def test_holes_are_found_without_reading(open_log: Callable[[bytes], LogReader]) -> None:
    log = open_log(b"x" * 5000)
    os.ftruncate(log.fd, 8 * MIB)
    os.pwrite(log.fd, b"y", 6 * MIB + 5)
    log.refresh()
    holes = [log.is_hole(number * MIB, MIB) for number in range(8)]
    assert holes == [False, *[True] * 5, False, True]
    assert log.bytes_read == 0


def test_the_holes_of_a_very_sparse_file_are_left_out(open_log: Callable[[bytes], LogReader]) -> None:
    log = open_log(b"x" * 4096)
    os.pwrite(log.fd, b"y" * 4096, 16 * MIB)
    os.ftruncate(log.fd, 32 * MIB)
    log.refresh()
    assert log.extents == [(0, 4096), (16 * MIB, 4096)]
    assert (log.size, log.ends_in_hole) == (8192, True)
    assert bytes(log.read(0, 8192)) == b"x" * 4096 + b"y" * 4096
    assert [log.file_offset(at) for at in (1, 4096, 4097, 8192)] == [1, 4096, 16 * MIB + 1, 32 * MIB]
    assert log.extents_until(4100) == [(0, 4096), (16 * MIB, 4)]


def test_a_file_without_holes_has_none(open_log: Callable[[bytes], LogReader]) -> None:
    log = open_log(bytes(3 * MIB))
    assert not any(log.is_hole(number * MIB, MIB) for number in range(3))
