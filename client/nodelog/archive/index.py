"""The index of an archive: which bytes of the archive hold which bytes of which file.

The index is a file of JSON lines beside the archive, `<archive>.index`. The first line names the format and
the archive it belongs to (its length and its gzip trailer); the last line is the CRC-32 of all lines before
it. Between them, in archive order, is one line per member and one line per piece: the members that begin in a
piece come before the pieces that hold them. Lines contain lengths, not positions, so the line of an unchanged
file stays the same text; positions are sums of lengths. The layout of an archive is: 10 bytes of gzip header,
the pieces, `03 00`, CRC-32, length.

An index is trusted only if it is intact and belongs to its archive. Without one, tar still reads the archive.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nodelog.archive.index_rows import MAX_UINT32, is_valid_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORMAT: Final = "nodelog archive index"
VERSION: Final = 1
GZIP_HEADER: Final = 10
"""Bytes before the first piece."""
GZIP_END: Final = 10
"""Bytes after the last piece: an empty final block, CRC-32, length."""
BLOCK: Final = 512
"""Bytes of a tar block; every header and every member's content takes whole blocks."""


class InvalidIndexError(ValueError):
    """The index cannot be used; the message says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """The archive an index belongs to."""

    length: int
    """Bytes of the archive file."""
    crc: int
    """CRC-32 of the whole tar stream."""
    size: int
    """Bytes of the tar stream, modulo 2**32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Raw deflate data that inflates on its own (no final block): one part of the tar stream."""

    offset: int
    """Position in the archive."""
    length: int
    """Bytes in the archive."""
    start: int
    """Position in the tar stream."""
    size: int
    """Bytes in the tar stream."""
    crc: int
    """CRC-32 of this part of the tar stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMetadata:
    """A file as it was when it was archived."""

    name: str
    """The member's name; bytes that are not UTF-8 are escaped by surrogateescape."""
    header: int
    """Bytes of tar header before the content."""
    length: int
    """Bytes of content."""
    mode: int
    """Permission bits only."""
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
    """Length of the file; larger than the content if an unfinished last line was left out."""
    head: int
    """CRC-32 of the first 4 KiB of the content."""
    finished: int
    """CRC-32 of the last 4 KiB of the content's finished pieces; 0 if there are none."""
    tail: int
    """CRC-32 of the content after its finished pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(FileMetadata):
    """A file in the archive and its position."""

    start: int
    """Position of its header in the tar stream."""
    content: int
    """Position of its content in the tar stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The contents of an archive; the pieces cover the whole tar stream without gaps."""

    trailer: Trailer
    pieces: list[Piece]
    members: list[Member]


def index_path(archive: Path) -> Path:
    """Return the path of an archive's index."""
    return archive.with_name(f"{archive.name}.index")


def padded_size(length: int) -> int:
    """Return the bytes that content of `length` bytes takes in a tar stream."""
    return -(-length // BLOCK) * BLOCK


def read_index(path: Path) -> Index:
    """Read an index file. Raises InvalidIndexError if it is damaged or not an index, and OSError."""
    return parse_index(path.read_bytes())


def parse_index(data: bytes) -> Index:
    """Return the index in `data`. Raises InvalidIndexError if it is damaged or not an index."""
    trailer, rows = decode_index(data)
    pieces: list[Piece] = []
    members: list[Member] = []
    offset, start, begin = GZIP_HEADER, 0, 0
    for row in rows:
        if "name" in row:
            content = begin + row["header"]
            members.append(Member(start=begin, content=content, **row))
            begin = content + padded_size(row["length"])
        else:
            pieces.append(Piece(offset=offset, start=start, **row))
            offset += row["length"]
            start += row["size"]
    if offset + GZIP_END != trailer.length or start % 2**32 != trailer.size or begin > start:
        raise InvalidIndexError("its lines do not add up to its archive")
    return Index(trailer=trailer, pieces=pieces, members=members)


def read_matching_index(archive: Path) -> Index:
    """Read an archive's index. Raises OSError, and InvalidIndexError also if it is of another archive."""
    index = read_index(index_path(archive))
    with archive.open("rb") as file:
        check_matches(index.trailer, file.fileno())
    return index


def check_matches(trailer: Trailer, archive: int) -> None:
    """Raise InvalidIndexError unless the archive open at this file descriptor ends with `trailer`."""
    length = os.fstat(archive).st_size
    if length != trailer.length:
        raise InvalidIndexError(f"it belongs to an archive of {trailer.length} bytes, this one has {length}")
    end = os.pread(archive, 8, length - 8)
    if end != trailer_bytes(trailer):
        raise InvalidIndexError("it belongs to an archive with another checksum")


def trailer_bytes(trailer: Trailer) -> bytes:
    """Return the last eight bytes of the archive."""
    return trailer.crc.to_bytes(4, "little") + trailer.size.to_bytes(4, "little")


def decode_index(data: bytes) -> tuple[Trailer, Iterator[dict[str, Any]]]:
    """Return the trailer and the lines of an index, each as the fields of a `FileMetadata` or a `Piece`.

    Raises InvalidIndexError, for a bad line when the iterator reaches it.
    """
    end = data.rfind(b"\n", 0, -1) + 1
    if _parse_line(data[end:]) != {"crc": zlib.crc32(data[:end])}:
        raise InvalidIndexError("its checksum is missing or wrong")
    lines = data[:end].splitlines()
    first = _parse_line(lines[0]) if lines else {}
    if first.pop("format", None) != FORMAT:
        raise InvalidIndexError("it is not an index of an archive")
    if (version := first.pop("version", None)) != VERSION:
        raise InvalidIndexError(f"its version is {version}, this program knows {VERSION}")
    if not is_valid_row(first, _PIECE) or first["size"] > MAX_UINT32:
        raise InvalidIndexError("its first line has unexpected fields")
    return Trailer(**first), _parse_rows(lines[1:])


def _parse_rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        row = _parse_line(line)
        if not is_valid_row(row, _MEMBER if "name" in row else _PIECE):
            raise InvalidIndexError("a line has unexpected fields")
        yield row


_TEXTS: Final = {"name", "user", "group"}
_MEMBER: Final = {name: str if name in _TEXTS else int for name in FileMetadata.__dataclass_fields__}
_PIECE: Final = dict.fromkeys(("length", "size", "crc"), int)


def _parse_line(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # the latter from ten thousand brackets
        raise InvalidIndexError("a line is not JSON") from None
    if not isinstance(row, dict):
        raise InvalidIndexError("a line is not an object")
    return row


def encode_index(trailer: Trailer, lines: Iterable[bytes]) -> bytes:
    """Return a whole index made of lines from `encode_member` and `encode_piece`."""
    first = _encode_line(
        {"format": FORMAT, "version": VERSION}
        | {"length": trailer.length, "crc": trailer.crc, "size": trailer.size}
    )
    body = b"".join([first, *lines])
    return body + _encode_line({"crc": zlib.crc32(body)})


def encode_member(metadata: FileMetadata) -> bytes:
    """Return the line of a member."""
    return _encode_line({name: getattr(metadata, name) for name in FileMetadata.__dataclass_fields__})


def encode_piece(length: int, size: int, crc: int) -> bytes:
    """Return the line of a piece: bytes of the archive, bytes of the tar stream, and their CRC-32."""
    return b'{"length":%d,"size":%d,"crc":%d}\n' % (length, size, crc)


def _encode_line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"
