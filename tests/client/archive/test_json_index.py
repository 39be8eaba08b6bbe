"""An index of version 1 either gives all positions, or one line that says why it cannot be used."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

import pytest
from tests.client.archive.archive_builder import json_lines, json_member, json_piece

from nodelog.archive.index import (
    FileMetadata,
    InvalidIndexError,
    Piece,
    Trailer,
    index_path,
    read_index,
    read_matching_index,
    trailer_bytes,
)
from nodelog.archive.index_blocks import PieceSize

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAILER = Trailer(length=10 + 100 + 900 + 50 + 10, crc=7, size=512 + 1024 + 10240)


def metadata(name: str = "var/log/a.log", length: int = 1000) -> FileMetadata:
    return FileMetadata(
        name=name, header=512, length=length, mode=0o640, uid=0, gid=4,
        mtime_ns=1, ctime_ns=2, device=3, inode=4, seen=1010, head=5, finished=0, tail=6,
    )  # fmt: skip


LINES = [
    json_member(metadata()),
    json_piece(PieceSize(100, 512, 1)),
    json_piece(PieceSize(900, 1024, 2)),
    json_piece(PieceSize(50, 10240, 3)),
]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "all-logs.tar.gz"
    path.write_bytes(b"x" * (TRAILER.length - 8) + trailer_bytes(TRAILER))
    index_path(path).write_bytes(json_lines(TRAILER, LINES))
    return path


def test_positions_are_sums_of_the_preceding_lengths(archive: Path) -> None:
    index = read_matching_index(archive)
    assert index.trailer == TRAILER
    assert index.pieces == [
        Piece(offset=10, length=100, start=0, size=512, crc=1),
        Piece(offset=110, length=900, start=512, size=1024, crc=2),
        Piece(offset=1010, length=50, start=1536, size=10240, crc=3),
    ]
    (member,) = index.members
    assert (member.start, member.content, member.length, member.metadata.seen) == (0, 512, 1000, 1010)


@pytest.mark.parametrize(
    "name", ["a\nb", "ä", b"\xff.log".decode("utf-8", "surrogateescape"), '"', "n" * 200]
)
def test_any_name_survives_encoding_and_parsing(name: str, archive: Path) -> None:
    index_path(archive).write_bytes(json_lines(TRAILER, [json_member(metadata(name)), *LINES[1:]]))
    assert read_index(index_path(archive)).members[0].name == name


def test_the_lines_are_readable_json(archive: Path) -> None:
    lines = index_path(archive).read_text().splitlines()
    assert lines[0] == '{"format":"nodelog archive index","version":1,"length":1070,"crc":7,"size":11776}'
    assert lines[1].startswith('{"name":"var/log/a.log","header":512,"length":1000,')
    assert lines[2] == '{"length":100,"size":512,"crc":1}'


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda _: b"\n",
        lambda data: data[:-1] + b"x",
        lambda data: data[:-30],
        lambda data: data.replace(b"var", b"vax"),
        lambda data: data.splitlines(keepends=True)[-1],
        lambda data: b"\x00" * len(data),
    ],
    ids=["empty", "blank", "last byte", "cut", "a letter", "last line alone", "zeros"],
)
def test_a_damaged_index_is_refused(spoil: Callable[[bytes], bytes], archive: Path) -> None:
    path = index_path(archive)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InvalidIndexError) as caught:
        read_index(path)
    assert len(str(caught.value).splitlines()) == 1


def with_checksum(lines: list[bytes]) -> bytes:
    body = b"".join(lines)
    return body + b'{"crc":%d}\n' % zlib.crc32(body)


FIRST = {"format": "nodelog archive index", "version": 1, "length": 1070, "crc": 7, "size": 11776}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "not an index"),
        ([json.dumps(FIRST | {"format": "x"}).encode()], "not an index"),
        ([json.dumps(FIRST | {"version": 3}).encode()], "its version is 3, this program writes 2"),
        ([json.dumps(FIRST | {"more": 2}).encode()], "unexpected fields"),
        ([json.dumps(FIRST | {"length": "2"}).encode()], "unexpected fields"),
        ([json.dumps(FIRST).encode(), b"[1]"], "not an object"),
        ([json.dumps(FIRST).encode(), b"{"], "not JSON"),
        ([json.dumps(FIRST).encode(), b"{}"], "unexpected fields"),
        ([json.dumps(FIRST).encode(), b'{"length":-1,"size":1,"crc":1}'], "unexpected fields"),
        ([json.dumps(FIRST).encode(), b'{"length":1,"size":"1","crc":1}'], "unexpected fields"),
        ([json.dumps(FIRST).encode(), b'{"length":1,"size":-1,"crc":1}'], "unexpected fields"),
        ([json.dumps(FIRST).encode(), b'{"name":"x"}'], "unexpected fields"),
        ([json.dumps(FIRST).encode(), *LINES[1:3]], "do not add up"),
    ],
)
def test_an_inconsistent_index_is_refused(lines: list[bytes], why: str, archive: Path) -> None:
    index_path(archive).write_bytes(with_checksum([line.rstrip(b"\n") + b"\n" for line in lines]))
    with pytest.raises(InvalidIndexError, match=why):
        read_index(index_path(archive))
