"""The blocks of an index of version 2: one per unit of the archive, compressed, each with its own checksum.

A block lists the pieces of a unit and the members that begin in it, column by column, since columns of numbers
that resemble each other compress best: about 30 bytes per member. It holds lengths, not positions, so the block
of an unchanged unit stays the same bytes. Blocks are written, read and decoded one at a time, so that an index
of a million members takes little memory.
"""

from __future__ import annotations

import struct
import zlib
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
"""Length of the compressed block, and its CRC-32. Length 0 ends the index; the CRC is that of everything before."""
_COUNTS: Final = struct.Struct("<II")
_PIECE: Final = struct.Struct("<QQI")
_COLUMNS: Final = {
    "header": "q",
    "length": "q",
    "holes": "q",
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
    "filled": "q",
}
_LENGTHS: Final = ("header", "length", "holes", "seen", "filled")
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
        names = map(_text, self.names)
        links = map(_text, self._links)
        for name, link, values in zip(names, links, zip(*self._columns, strict=True), strict=True):
            yield FileMetadata(name=name, link=link, **dict(zip(_COLUMNS, values, strict=True)))

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield the bytes of header and of content of each member."""
        names = list(_COLUMNS)
        return zip(self._columns[names.index("header")], self._columns[names.index("length")], strict=True)


def encode_block(members: Sequence[FileMetadata], pieces: Sequence[PieceSize]) -> bytes:
    """Return a block as it stands in an index."""
    columns = [
        struct.pack(f"<{len(members)}{code}", *[getattr(member, name) for member in members])
        for name, code in _COLUMNS.items()
    ]
    texts = [member.name for member in members] + [member.link for member in members]
    parts = [
        _COUNTS.pack(len(members), len(pieces)),
        b"".join(_PIECE.pack(*piece) for piece in pieces),
        *columns,
        "\0".join(texts).encode("utf-8", "surrogateescape"),
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
