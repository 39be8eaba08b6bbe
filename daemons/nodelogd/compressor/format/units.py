"""The units of an archive: each is copied or rebuilt as a whole by the next cycle.

A large file is a unit of its own: a piece with its header, a sequence of pieces of 1 MiB of content each,
which stay unchanged while the file only grows, and a piece with the rest. Adjacent small files share one
piece; otherwise 10,000 of them would cost as many headers of deflate blocks and fresh dictionaries.

In memory a unit is what the next scan is compared with, and its block of the index: about 130 bytes per file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import FileMetadata, InvalidIndexError, padded_size
from nodelog.archive.index_blocks import PieceSize, decode_block, encode_block
from nodelogd.compressor.format.pieces import Span, join_spans
from nodelogd.compressor.format.signatures import ROW, member_row

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK: Final = 1024 * 1024
"""Bytes of content in a finished piece."""
MAX_PIECE: Final = 64 * CHUNK
"""Bytes of a piece, in the archive or out of it; a larger one is not of this program."""
_SEPARATOR: Final = b"\0"
_LARGE_PIECES: Final = 2
"""Pieces of a large file besides those that are finished."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One large file, or small files that share one piece."""

    names: bytes
    """Of its members, joined by NUL."""
    rows: bytes
    """What `lstat` says of each member's file if it has not changed."""
    span: Span
    """All its pieces."""
    block: bytes
    """Its part of the index."""
    is_large: bool
    has_links: bool

    @property
    def count(self) -> int:
        """Number of members."""
        return len(self.rows) // ROW

    @property
    def first_name(self) -> bytes:
        """The name of its first member."""
        return self.names.partition(_SEPARATOR)[0]

    @property
    def last_name(self) -> bytes:
        """The name of its last member."""
        return self.names.rpartition(_SEPARATOR)[2]

    def matches(self, names: Sequence[bytes], rows: bytes | bytearray) -> bool:
        """Return whether these are its members, unchanged."""
        return rows == self.rows and _SEPARATOR.join(names) == self.names

    def with_row(self, number: int, row: bytes) -> Unit:
        """Return the same unit with another row for a member."""
        rows = self.rows[: number * ROW] + row + self.rows[(number + 1) * ROW :]
        return replace(self, rows=rows)

    def contents(self) -> UnitContents:
        """Return what its block says."""
        block = decode_block(self.block)
        return UnitContents(tuple(block.members()), [Span(*piece) for piece in block.pieces])


class UnitContents:
    """The members and pieces of a unit."""

    def __init__(self, members: tuple[FileMetadata, ...], pieces: list[Span]) -> None:
        self.members = members
        self.pieces = pieces

    @property
    def header(self) -> Span:
        """The piece with the header of a large file."""
        return self.pieces[0]

    @property
    def chunks(self) -> list[Span]:
        """The finished pieces of a large file, of a CHUNK each."""
        return self.pieces[1:-1]

    @property
    def tail(self) -> Span:
        """The piece with the rest of a large file."""
        return self.pieces[-1]

    @cached_property
    def positions(self) -> dict[str, tuple[int, int]]:
        """Number of each member, and the offset of its header in the tar stream of the unit."""
        positions, start = {}, 0
        for number, metadata in enumerate(self.members):
            positions[metadata.name] = number, start
            start += metadata.header + padded_size(metadata.length)
        return positions


def make_unit(members: Sequence[FileMetadata], pieces: Sequence[Span], *, is_large: bool) -> Unit:
    """Return the unit of these members and pieces."""
    block = encode_block(members, [PieceSize(*piece) for piece in pieces])
    return _unit(members, join_spans(pieces), block, is_large=is_large)


def read_unit(data: bytes) -> Unit | Span:
    """Return the unit of a block of an index, or the span of the end of the archive, which has no members.

    Raises InvalidIndexError if its pieces are not laid out as this program lays them out.
    """
    block = decode_block(data)
    pieces = [Span(*piece) for piece in block.pieces]
    if any(max(piece.length, piece.size) > MAX_PIECE for piece in pieces):
        raise InvalidIndexError(f"a piece is larger than {MAX_PIECE} bytes")
    if not block.count:
        return join_spans(pieces)
    members = list(block.members())
    size = sum(metadata.header + padded_size(metadata.length) for metadata in members)
    span = join_spans(pieces)
    is_large = len(pieces) == _LARGE_PIECES + members[0].length // CHUNK and len(members) == 1
    if size != span.size or not (is_large or len(pieces) == 1):
        raise InvalidIndexError("its pieces are not laid out as this program lays them out")
    return _unit(members, span, data, is_large=is_large)


def _unit(members: Sequence[FileMetadata], span: Span, block: bytes, *, is_large: bool) -> Unit:
    return Unit(
        "\0".join(metadata.name for metadata in members).encode("utf-8", "surrogateescape"),
        b"".join(map(member_row, members)),
        span,
        block,
        is_large,
        any(metadata.link for metadata in members),
    )
