"""The length of a snapshot, and whether a file still begins with its archived content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemons.compressor.format.test_tar_headers import metadata

from nodelogd.compressor.plan.snapshots import (
    MAX_FRAGMENT,
    PROBE,
    finished_length,
    is_continued,
    snapshot_length,
)
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from nodelog.archive.index import FileMetadata


def read_function(data: bytes) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= len(data)
        return data[offset : offset + length]

    return read


def snapshot_of(data: bytes, size: int | None = None) -> FileMetadata:
    end = finished_length(len(data))
    return metadata("x", len(data))._replace(
        seen=len(data) if size is None else size,
        head=crc32(data[:PROBE]),
        finished=crc32(data[max(0, end - PROBE) : end]),
        tail=crc32(data[end:]),
    )


class Status:
    """The part of a file status that the function uses."""

    def __init__(self, size: int) -> None:
        self.st_size = size


def is_continued_by(old: bytes, new: bytes) -> bool:
    status: os.stat_result = Status(len(new))  # type: ignore[assignment]
    return is_continued(snapshot_of(old), status, read_function(new))


@pytest.mark.parametrize(
    "size", [0, 1, 65_536, MAX_FRAGMENT - 1, MAX_FRAGMENT, MAX_FRAGMENT + 1, 2 * MAX_FRAGMENT]
)
@pytest.mark.parametrize("lines", [b"", b"\n", b"one\ntwo\n", b"x" * 70_000 + b"\n"])
def test_a_fragment_waits_unless_it_is_too_long(size: int, lines: bytes) -> None:
    data = lines + b"y" * size
    expected = len(lines) if size <= MAX_FRAGMENT else len(data)
    assert snapshot_length(len(data), None, read_function(data)) == expected


def test_a_fragment_waits_once_and_what_is_archived_is_not_taken_back() -> None:
    data = b"one\ntwo"
    assert snapshot_length(7, snapshot_of(b"one\n", 7), read_function(data)) == 7
    assert snapshot_length(7, snapshot_of(b"one\n", 6), read_function(data)) == 7
    assert snapshot_length(7, snapshot_of(b"one\n", 4), read_function(data)) == 4
    assert snapshot_length(7, snapshot_of(b"one\ntw", 6), read_function(data)) == 6


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_file_is_continued_if_it_begins_with_its_archived_content(old: bytes, more: bytes) -> None:
    assert is_continued_by(old, old + more)
    assert is_continued_by(old, more) == more.startswith(old)


@pytest.mark.parametrize(
    "offset", [0, PROBE - 1, 2 * 1024**2 - PROBE, 2 * 1024**2 - 1, 2 * 1024**2, 2_500_000 - 1]
)
def test_a_change_in_the_checked_ranges_is_detected(offset: int) -> None:
    old = b"0123456789" * 250_000
    new = bytearray(old + b"more\n")
    assert is_continued_by(old, bytes(new))
    new[offset] ^= 1
    assert not is_continued_by(old, bytes(new))
