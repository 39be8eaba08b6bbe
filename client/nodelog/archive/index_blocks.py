"""The blocks of an index of version 2: one per unit of the archive, compressed, each with its own checksum.

A block lists the pieces of a unit and the members that begin in it, column by column, since columns of
numbers that resemble each other compress best: about 30 bytes per member. It holds lengths, not positions, so
the block of an unchanged unit stays the same bytes. Blocks are written, read and decoded one at a time, so
that an index of a million members takes little memory.
"""

from __future__ import annotations

import struct
import zlib
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodelog.archive.index_model import FileMetadata, InvalidIndexError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

MAX_BLOCK: Final = 64 * 1024 * 1024
"""Bytes of a block, compressed; the pieces of 5 TiB take that much."""
MAX_RATIO: Final = 256
"""How many times as long a block may become. Names that differ in a digit reach a tenth of that."""

_FRAME: Final = struct.Struct("<II")
"""Length and CRC-32 of the compressed block. Length 0 ends the index; the CRC is of all bytes before it."""
_COUNTS: Final = struct.Struct("<II")
_PIECE: Final = struct.Struct("<QQI")
_COLUMNS: Final = {  # in the order of the fields of FileMetadata, between the name and the link
    "header": "q",
    "length": "q",
    "mode": "I",
    "uid": "I",
    "gid": "I",
    "mtime_ns": "q",
    "ctime_ns": "q",
    "device": "Q",
    "inode": "Q",
    "seen": "q",
    "head": "I",
    "finished": "I",
    "tail": "I",
    "holes": "q",
}
_LENGTHS: Final = ("header", "length", "holes", "seen")
_LEVEL: Final = 3
_MAX_LENGTH: Final = 2**62
"""A sum of any two lengths still fits into the fields of a file."""


class PieceSize(NamedTuple):
    """A piece without its position."""

    length: int
    """Bytes in the archive."""
    size: int
    """Bytes of the tar stream."""
    crc: int
    """CRC-32 of those."""


class Block:
    """A decompressed block; the members are decoded when they are asked for."""

    def __init__(self, data: bytes) -> None:
        """Parse the content of a block. Raises InvalidIndexError."""
        try:
            self.count, pieces = _COUNTS.unpack_from(data)
            end = _COUNTS.size + pieces * _PIECE.size
            self.pieces = [PieceSize(*row) for row in _PIECE.iter_unpack(data[_COUNTS.size : end])]
            self._columns, end = _unpack_columns(data, end, self.count)
            text = data[end:].split(b"\0") if self.count else []
        except struct.error:
            raise InvalidIndexError("a block ends in the middle") from None
        if len(self.pieces) != pieces or len(text) != 2 * self.count:
            raise InvalidIndexError("a block ends in the middle")
        if any(piece.length > _MAX_LENGTH or piece.size > _MAX_LENGTH for piece in self.pieces):
            raise InvalidIndexError("a block has a piece of an impossible length")
        self.names = text[: self.count]
        self._links = text[self.count :]

    def members(self) -> Iterator[FileMetadata]:
        """Yield the members, in order."""
        texts = map(_text, self.names), map(_text, self._links)
        return map(FileMetadata._make, zip(texts[0], *self._columns, texts[1], strict=True))

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield the bytes of header and of content of each member."""
        return zip(self._columns[0], self._columns[1], strict=True)


def encode_block(members: Sequence[FileMetadata], pieces: Sequence[PieceSize]) -> bytes:
    """Return a block as it stands in an index."""
    table = zip(*members, strict=True) if members else [()] * len(FileMetadata._fields)
    names, *columns, links = table
    packed = [
        struct.pack(f"<{len(members)}{code}", *column)
        for code, column in zip(_COLUMNS.values(), columns, strict=True)
    ]
    parts = [
        _COUNTS.pack(len(members), len(pieces)),
        b"".join(_PIECE.pack(*piece) for piece in pieces),
        *packed,
        "\0".join(chain(names, links)).encode("utf-8", "surrogateescape"),
    ]
    data = zlib.compress(b"".join(parts), _LEVEL)
    return _FRAME.pack(len(data), zlib.crc32(data)) + data


def decode_block(block: bytes) -> Block:
    """Decode a block as it stands in an index. Raises InvalidIndexError."""
    return Block(_decompress(block[_FRAME.size :]))


def end_frame(crc: int) -> bytes:
    """Return what ends an index; `crc` is the CRC-32 of all bytes before it."""
    return _FRAME.pack(0, crc)


def read_blocks(file: BinaryIO, crc: int) -> Iterator[bytes]:
    """Yield the blocks of an open index whose first line was read and has this CRC-32.

    Memory is bounded by one block. Raises InvalidIndexError, also after the last block, and OSError.
    """
    while True:
        frame = file.read(_FRAME.size)
        if len(frame) != _FRAME.size:
            raise InvalidIndexError("its end is missing")
        length, expected = _FRAME.unpack(frame)
        if not length:
            break
        if length > MAX_BLOCK:
            raise InvalidIndexError(f"a block has {length} bytes, at most {MAX_BLOCK} are allowed")
        data = file.read(length)
        if len(data) != length or zlib.crc32(data) != expected:
            raise InvalidIndexError("the checksum of a block is wrong")
        crc = zlib.crc32(data, zlib.crc32(frame, crc))
        yield frame + data
    if expected != crc or file.read(1):
        raise InvalidIndexError("its checksum is wrong")


def _decompress(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, MAX_RATIO * len(data) + MAX_RATIO)
    except zlib.error:
        raise InvalidIndexError("a block cannot be decompressed") from None
    if not inflater.eof:
        raise InvalidIndexError("a block is too long, or ends in the middle")
    return plain


def _unpack_columns(data: bytes, start: int, count: int) -> tuple[list[tuple[Any, ...]], int]:
    columns = []
    for name, code in _COLUMNS.items():
        column = struct.Struct(f"<{count}{code}")
        values = column.unpack_from(data, start)
        if name in _LENGTHS and values and not 0 <= min(values) <= max(values) <= _MAX_LENGTH:
            raise InvalidIndexError("a block has a member of an impossible length")
        columns.append(values)
        start += column.size
    return columns, start


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
