"""The index of an archive: which bytes of it hold which bytes of which file.

A file beside the archive, `<archive>.index`, of JSON lines. The first names the format and the archive it
belongs to (its length and its gzip trailer), the last is the CRC-32 of all before it. Between them, in the
order of the archive, a line per member and a line per piece: after the members that begin in them come the
pieces that hold them. Lines hold lengths, no positions, so that the line of a file that did not change stays
the same text; positions are sums. The archive: 10 bytes of gzip header, the pieces, `03 00`, CRC-32, length.

An index is trusted only if it is whole and belongs to its archive; without one tar still reads the archive.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORMAT: Final = "nodelog archive index"
VERSION: Final = 1
GZIP_HEADER: Final = 10
"""Bytes before the first piece."""
GZIP_END: Final = 10
"""Bytes behind the last piece: an empty last block, CRC-32, length."""
BLOCK: Final = 512
"""Bytes; what a tar stream is made of."""


class IndexFault(ValueError):  # noqa: N818 (a state of a file, not of this program)
    """The index cannot be used; the message is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """The archive that an index belongs to."""

    length: int
    """Of the file in bytes."""
    crc: int
    """Of the whole tar stream."""
    size: int
    """Of the tar stream, modulo 2**32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Deflate data that can be inflated by itself (raw, no last block): a part of the tar stream."""

    offset: int
    """In the archive."""
    length: int
    """In the archive."""
    start: int
    """In the tar stream."""
    size: int
    """In the tar stream."""
    crc: int
    """Of that part of the tar stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A file as it was when its snapshot was taken."""

    name: str
    """Of the member; bytes that are not UTF-8 by surrogateescape."""
    header: int
    """Bytes of tar header before the content."""
    length: int
    """Bytes of content."""
    mode: int
    """Permissions only."""
    uid: int
    gid: int
    user: str
    group: str
    mtime_ns: int
    ctime_ns: int
    """0 if the file was so young that a change could have been missed."""
    device: int
    inode: int
    seen: int
    """Length of the file, which is more than that of the content if an unfinished line was left out."""
    head: int
    """CRC-32 of the content's first 4 KiB."""
    finished: int
    """CRC-32 of the last 4 KiB of the content's finished pieces, 0 without any."""
    tail: int
    """CRC-32 of the content behind its finished pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Details):
    """A file in the archive and where it is."""

    start: int
    """Of its header in the tar stream."""
    content: int
    """Start of its content in the tar stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An archive's contents; its pieces cover the whole tar stream without a gap."""

    trailer: Trailer
    pieces: list[Piece]
    members: list[Member]


def index_of(archive: Path) -> Path:
    """Name the index of an archive."""
    return archive.with_name(f"{archive.name}.index")


def padded(length: int) -> int:
    """Give the bytes that so much content takes in a tar stream."""
    return -(-length // BLOCK) * BLOCK


def read(path: Path) -> Index:
    """Read an index. Raises IndexFault if it is none, or damaged, and OSError."""
    return parsed(path.read_bytes())


def parsed(data: bytes) -> Index:
    """Give what an index says. Raises IndexFault if it is none, or damaged."""
    trailer, rows = decoded(data)
    pieces: list[Piece] = []
    members: list[Member] = []
    offset, start, begin = GZIP_HEADER, 0, 0
    for row in rows:
        if "name" in row:
            content = begin + row["header"]
            members.append(Member(start=begin, content=content, **row))
            begin = content + padded(row["length"])
        else:
            pieces.append(Piece(offset=offset, start=start, **row))
            offset += row["length"]
            start += row["size"]
    if offset + GZIP_END != trailer.length or start % 2**32 != trailer.size or begin > start:
        raise IndexFault("its lines do not add up to its archive")
    return Index(trailer=trailer, pieces=pieces, members=members)


def read_for(archive: Path) -> Index:
    """Read the index of an archive. Raises IndexFault also if it belongs to another one, and OSError."""
    index = read(index_of(archive))
    with archive.open("rb") as file:
        check(index.trailer, file.fileno())
    return index


def check(trailer: Trailer, archive: int) -> None:
    """Raise IndexFault unless the open archive ends as the index says."""
    length = os.fstat(archive).st_size
    if length != trailer.length:
        raise IndexFault(f"it belongs to an archive of {trailer.length} bytes, this one has {length}")
    end = os.pread(archive, 8, length - 8)
    if end != trailer_bytes(trailer):
        raise IndexFault("it belongs to an archive with another checksum")


def trailer_bytes(trailer: Trailer) -> bytes:
    """Give the last eight bytes of the archive."""
    return trailer.crc.to_bytes(4, "little") + trailer.size.to_bytes(4, "little")


def decoded(data: bytes) -> tuple[Trailer, Iterator[dict[str, Any]]]:
    """Give the archive an index belongs to and its lines, each as the fields of a `Details` or a `Piece`.

    Raises IndexFault, at the latest when the lines are gone through.
    """
    end = data.rfind(b"\n", 0, -1) + 1
    if _loaded(data[end:]) != {"crc": zlib.crc32(data[:end])}:
        raise IndexFault("its checksum is missing or wrong")
    lines = data[:end].splitlines()
    first = _loaded(lines[0]) if lines else {}
    if first.pop("format", None) != FORMAT:
        raise IndexFault("it is not an index of an archive")
    if (version := first.pop("version", None)) != VERSION:
        raise IndexFault(f"its version is {version}, this program knows {VERSION}")
    if {name: type(value) for name, value in first.items()} != _PIECE:
        raise IndexFault("its first line has other fields than it should")
    return Trailer(**first), _rows(lines[1:])


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        row = _loaded(line)
        form = _MEMBER if "name" in row else _PIECE
        if {name: type(value) for name, value in row.items()} != form or any(
            row.get(name, 0) < 0 for name in _LENGTHS
        ):
            raise IndexFault("a line has other fields than it should")
        yield row


_LENGTHS: Final = ("header", "length", "size")
_TEXTS: Final = {"name", "user", "group"}
_MEMBER: Final = {name: str if name in _TEXTS else int for name in Details.__dataclass_fields__}
_PIECE: Final = dict.fromkeys(("length", "size", "crc"), int)


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise IndexFault("a line is not JSON") from None
    if not isinstance(row, dict):
        raise IndexFault("a line is not an object")
    return row


def encoded(trailer: Trailer, lines: Iterable[bytes]) -> bytes:
    """Give a whole index, of the lines that `member_line` and `piece_line` made."""
    first = _line(
        {"format": FORMAT, "version": VERSION}
        | {"length": trailer.length, "crc": trailer.crc, "size": trailer.size}
    )
    body = b"".join([first, *lines])
    return body + _line({"crc": zlib.crc32(body)})


def member_line(details: Details) -> bytes:
    """Give the line of a member."""
    return _line({name: getattr(details, name) for name in Details.__dataclass_fields__})


def piece_line(length: int, size: int, crc: int) -> bytes:
    """Give the line of a piece: bytes of the archive, bytes of the tar stream, and their CRC-32."""
    return b'{"length":%d,"size":%d,"crc":%d}\n' % (length, size, crc)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"
