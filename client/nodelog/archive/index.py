"""The index of an archive: which bytes of the archive hold which bytes of which file.

The index is a file beside the archive, `<archive>.index`. Its first line is JSON; it names the format, its
version, and the archive it belongs to (its length and its gzip trailer). Compressed blocks follow, one per
unit of the archive (see `index_blocks`), and a checksum of everything. Version 1 consisted of JSON lines
(see `json_index`). The layout of an archive is: 10 bytes of gzip header, the pieces, `03 00`, CRC-32, length.

An index is trusted only if it is intact and belongs to its archive. Without one, tar still reads the archive.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from nodelog.archive.index_blocks import Block, decode_block, end_frame, read_blocks
from nodelog.archive.index_model import (
    BLOCK,
    GZIP_END,
    GZIP_HEADER,
    FileMetadata,
    Index,
    InvalidIndexError,
    Member,
    Piece,
    Trailer,
    padded_size,
)
from nodelog.archive.json_index import FORMAT, parse_json_index
from nodelog.archive.json_index import VERSION as JSON_VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

__all__ = [
    "BLOCK",
    "FORMAT",
    "GZIP_END",
    "GZIP_HEADER",
    "VERSION",
    "FileMetadata",
    "Index",
    "InvalidIndexError",
    "Member",
    "Piece",
    "Trailer",
    "check_matches",
    "encode_index",
    "index_path",
    "open_blocks",
    "padded_size",
    "read_index",
    "read_matching_index",
    "trailer_bytes",
]

VERSION: Final = 2
MAX_JSON_INDEX: Final = 1 << 30
"""Bytes of an index of version 1, which is read as a whole."""
_MAX_FIRST_LINE: Final = 4096
_FIELDS: Final = {field.name for field in fields(Trailer)}


@dataclass(frozen=True, slots=True)
class MemberBlock:
    """The members of a unit, in their block, which is decoded when they are asked for."""

    block: bytes
    start: int
    """Position of the unit in the tar stream."""

    def find(self, names: Collection[str] | None) -> Iterator[Member]:
        """Yield the members, or those of these names."""
        block = decode_block(self.block)
        if names is not None and not any(_decoded(name) in names for name in block.names):
            return
        begin = self.start
        for found in block.members():
            member = Member(found, begin)
            if names is None or found.name in names:
                yield member
            begin = member.end


def index_path(archive: Path) -> Path:
    """Return the path of an archive's index."""
    return archive.with_name(f"{archive.name}.index")


def read_index(path: Path) -> Index:
    """Read an index file. Raises InvalidIndexError if it is damaged or not an index, and OSError."""
    with path.open("rb") as file:
        return parse_index(file)


def parse_index(file: BinaryIO) -> Index:
    """Read an open index of either version. Raises InvalidIndexError and OSError."""
    if _version(file) == JSON_VERSION:
        data = file.read(MAX_JSON_INDEX + 1)
        if len(data) > MAX_JSON_INDEX:
            raise InvalidIndexError(f"it has more than {MAX_JSON_INDEX} bytes")
        return parse_json_index(data)
    trailer, blocks = open_blocks(file)
    pieces: list[Piece] = []
    units: list[MemberBlock] = []
    offset, start = GZIP_HEADER, 0
    for data in blocks:
        block = decode_block(data)
        if block.count:
            _check_extent(block)
            units.append(MemberBlock(data, start))
        for length, size, crc in block.pieces:
            pieces.append(Piece(offset=offset, length=length, start=start, size=size, crc=crc))
            offset += length
            start += size
    if offset + GZIP_END != trailer.length or start % 2**32 != trailer.size:
        raise InvalidIndexError("its blocks do not add up to its archive")
    return Index(trailer=trailer, pieces=pieces, units=units)


def open_blocks(file: BinaryIO) -> tuple[Trailer, Iterator[bytes]]:
    """Return the trailer and the blocks of an open index, which are read one at a time.

    Raises InvalidIndexError if it is of another version or no index, for a bad block when it is reached.
    """
    first = file.readline(_MAX_FIRST_LINE)
    row = _parse_first(first)
    if (version := row.pop("version", None)) != VERSION:
        raise InvalidIndexError(f"its version is {version}, this program writes {VERSION}")
    if row.keys() != _FIELDS or not all(type(value) is int and 0 <= value < 2**62 for value in row.values()):
        raise InvalidIndexError("its first line has unexpected fields")
    trailer = Trailer(**row)
    if max(trailer.crc, trailer.size) >= 2**32:
        raise InvalidIndexError("its first line has unexpected fields")
    return trailer, read_blocks(file, zlib.crc32(first))


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
    end = os.pread(archive, 8, max(0, length - 8))
    if end != trailer_bytes(trailer):
        raise InvalidIndexError("it belongs to an archive with another checksum")


def trailer_bytes(trailer: Trailer) -> bytes:
    """Return the last eight bytes of the archive."""
    return trailer.crc.to_bytes(4, "little") + trailer.size.to_bytes(4, "little")


def encode_index(trailer: Trailer, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts of an index with these blocks, which come from `encode_block`."""
    row = {"format": FORMAT, "version": VERSION}
    row |= {"length": trailer.length, "crc": trailer.crc, "size": trailer.size}
    first = json.dumps(row, separators=(",", ":")).encode() + b"\n"
    crc = zlib.crc32(first)
    yield first
    for block in blocks:
        crc = zlib.crc32(block, crc)
        yield block
    yield end_frame(crc)


def _version(file: BinaryIO) -> object:
    """Return the version that the first line names, and go back to the beginning."""
    first = file.readline(_MAX_FIRST_LINE)
    file.seek(0)
    return _parse_first(first).get("version")


def _parse_first(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or row.pop("format", None) != FORMAT:
        raise InvalidIndexError("it is not an index of an archive")
    return row


def _check_extent(block: Block) -> None:
    size = sum(header + padded_size(length) for header, length in block.sizes())
    if size != sum(piece.size for piece in block.pieces):
        raise InvalidIndexError("the members of a block do not add up to its pieces")


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
