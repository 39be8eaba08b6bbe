"""An index either gives all positions, or one line that says why it cannot be used."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from nodelog.archive.index import (
    FileMetadata,
    InvalidIndexError,
    Piece,
    Trailer,
    encode_index,
    index_path,
    read_index,
    read_matching_index,
    trailer_bytes,
)
from nodelog.archive.index_blocks import PieceSize, encode_block, end_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAILER = Trailer(length=10 + 100 + 900 + 50 + 10, crc=7, size=512 + 1024 + 10240)


def metadata(name: str = "var/log/a.log", length: int = 1000, link: str = "") -> FileMetadata:
    return FileMetadata(
        name=name, header=512, length=length, mode=0o640, uid=0, gid=4, mtime_ns=-1, ctime_ns=2,
        device=2**64 - 1, inode=4, seen=1010, head=5, finished=0, tail=6, holes=8, link=link,
    )  # fmt: skip


END = encode_block([], [PieceSize(50, 10240, 3)])


def unit(name: str = "var/log/a.log", link: str = "", length: int = 1000) -> bytes:
    return encode_block([metadata(name, length, link)], [PieceSize(100, 512, 1), PieceSize(900, 1024, 2)])


def written(path: Path, *blocks: bytes) -> Path:
    index_path(path).write_bytes(b"".join(encode_index(TRAILER, blocks)))
    return index_path(path)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "all-logs.tar.gz"
    path.write_bytes(b"x" * (TRAILER.length - 8) + trailer_bytes(TRAILER))
    written(path, unit(), END)
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
    assert (member.start, member.content, member.end) == (0, 512, 1536)
    assert member.metadata == metadata()


@pytest.mark.parametrize(
    "name", ["a\nb", "ä", b"\xff.log".decode("utf-8", "surrogateescape"), '"', "n" * 200]
)
def test_any_name_and_link_survive_encoding_and_parsing(name: str, archive: Path) -> None:
    written(archive, unit(name, name), END)
    (member,) = read_index(index_path(archive)).members
    assert (member.name, member.metadata.link) == (name, name)


def test_a_member_is_found_by_its_name(archive: Path) -> None:
    index = read_matching_index(archive)
    assert [member.name for member in index.find({"var/log/a.log", "x"})] == ["var/log/a.log"]
    assert list(index.find({"x"})) == []


def test_one_member_of_a_million_takes_little_memory(tmp_path: Path) -> None:
    block = encode_block(
        [metadata(f"var/log/{number:03}.log", 0) for number in range(1000)], [PieceSize(10, 512_000, 1)]
    )
    trailer = Trailer(length=20 + 10 * 1000, crc=1, size=512_000_000)
    path = tmp_path / "index"
    path.write_bytes(b"".join(encode_index(trailer, [block] * 1000)))
    tracemalloc.start()
    assert len(list(read_index(path).find({"var/log/500.log"}))) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda _: b"\n",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-30],
        lambda data: data[:-8],
        lambda data: data + b"x",
        lambda data: data.replace(b'"crc":7', b'"crc":8'),
        lambda data: b"\x00" * len(data),
        lambda data: data[:150] + bytes([data[150] ^ 1]) + data[151:],
        lambda data: data[: data.index(b"\n") + 1] + end_frame(zlib.crc32(data[: data.index(b"\n") + 1])),
    ],
    ids=["empty", "blank", "last byte", "cut", "no end", "more", "a digit", "zeros", "a byte", "no blocks"],
)
def test_a_damaged_index_is_refused(spoil: Callable[[bytes], bytes], archive: Path) -> None:
    path = index_path(archive)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InvalidIndexError) as caught:
        read_index(path)
    assert len(str(caught.value).splitlines()) == 1


def frame(plain: bytes) -> bytes:
    data = zlib.compress(plain)
    return len(data).to_bytes(4, "little") + zlib.crc32(data).to_bytes(4, "little") + data


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (unit(length=100), "do not add up to its pieces"),
        (encode_block([], [PieceSize(1, 1, 1)]), "do not add up to its archive"),
        (frame(b""), "ends in the middle"),
        (frame(b"\xff" * 8), "ends in the middle"),
        (frame(bytes(8 * 10**6)), "too long"),
        (unit(length=2**62 + 1), "impossible length"),
        (encode_block([], [PieceSize(2**63, 1, 1)]), "impossible length"),
        (b"\xff\xff\xff\x7f" + bytes(4), "at most 67108864 are allowed"),
        (b"\x04\0\0\0" + zlib.crc32(b"abcd").to_bytes(4, "little") + b"abcd", "cannot be decompressed"),
    ],
)
def test_an_inconsistent_index_is_refused(block: bytes, why: str, archive: Path) -> None:
    written(archive, block, END)
    with pytest.raises(InvalidIndexError, match=why):
        read_index(index_path(archive))


@pytest.mark.parametrize(
    "change", [{"version": 3}, {"length": -1}, {"crc": 2**32}, {"more": 1}, {"size": "1"}]
)
def test_an_index_with_another_first_line_is_refused(change: dict[str, object], archive: Path) -> None:
    first, rest = index_path(archive).read_bytes().split(b"\n", 1)
    row = json.loads(first) | change
    index_path(archive).write_bytes(json.dumps(row).encode() + b"\n" + rest)
    with pytest.raises(InvalidIndexError, match=r"version is 3|unexpected fields"):
        read_index(index_path(archive))


def test_the_index_of_another_archive_is_refused(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[:-8] + bytes(8))
    with pytest.raises(InvalidIndexError, match="another checksum"):
        read_matching_index(archive)
    archive.write_bytes(data[:-8])
    with pytest.raises(InvalidIndexError, match="an archive of 1070 bytes, this one has 1062"):
        read_matching_index(archive)
    archive.write_bytes(b"")
    with pytest.raises(InvalidIndexError, match="this one has 0"):
        read_matching_index(archive)
