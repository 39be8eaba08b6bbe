"""The units of an archive: each is copied or rebuilt as a whole by the next cycle.

A large file is a unit of its own: a piece with its header, a sequence of pieces of 1 MiB of content each,
which stay unchanged while the file only grows, and a piece with the rest. Adjacent small files share one
piece; otherwise 10,000 of them would cost as many headers of deflate blocks and fresh dictionaries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nodelog.archive.index import FileMetadata, InvalidIndexError, encode_member
from nodelogd.compressor.format.pieces import Span, join_spans, piece_span

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK: Final = 1024 * 1024
"""Bytes of content in a finished piece."""
MAX_PIECE: Final = 64 * CHUNK
"""Bytes of a piece, in the archive or out of it; a larger one is not of this program."""


@dataclass(frozen=True, slots=True)
class LargeUnit:
    """A large file on its own."""

    metadata: FileMetadata
    header: Span
    chunks: Span
    tail: Span

    def chunk_spans(self) -> list[Span]:
        """Return the finished pieces one by one."""
        return [piece_span(**json.loads(line)) for line in self.chunks.lines.splitlines()]

    @property
    def members(self) -> tuple[FileMetadata, ...]:
        """The only member."""
        return (self.metadata,)

    @property
    def span(self) -> Span:
        """All its pieces."""
        return join_spans([self.header, self.chunks, self.tail])

    @property
    def lines(self) -> bytes:
        """Its index lines."""
        return b"".join([encode_member(self.metadata), self.header.lines, self.chunks.lines, self.tail.lines])


@dataclass(frozen=True, slots=True)
class GroupUnit:
    """Small files that share one piece."""

    members: tuple[FileMetadata, ...]
    span: Span
    lines: bytes
    """Its index lines."""


Unit = LargeUnit | GroupUnit


def make_group(members: tuple[FileMetadata, ...], span: Span) -> GroupUnit:
    """Return a group together with its index lines, which are then kept as long as the group is."""
    return GroupUnit(members, span, b"".join(map(encode_member, members)) + span.lines)


def parse_units(rows: Iterable[dict[str, Any]]) -> tuple[list[Unit], Span]:
    """Return the units and the end of an archive from the lines of its index.

    Raises InvalidIndexError if its pieces are not laid out as this program lays them out.
    """
    units: list[Unit] = []
    members: list[FileMetadata] = []
    spans: list[Span] = []
    for row in rows:
        if "name" not in row:
            if max(row["length"], row["size"]) > MAX_PIECE:
                raise InvalidIndexError(f"a piece is larger than {MAX_PIECE} bytes")
            spans.append(piece_span(**row))
            continue
        if spans:
            units.append(_unit(members, spans))
            members, spans = [], []
        members.append(FileMetadata(**row))
    if not spans:
        raise InvalidIndexError("the end of the archive is not in it")
    end = spans.pop()
    if members:
        units.append(_unit(members, spans))
    return units, end


def _unit(members: list[FileMetadata], spans: list[Span]) -> Unit:
    if members and len(spans) == 1:
        return make_group(tuple(members), spans[0])
    if len(members) == 1 and len(spans) == 2 + members[0].length // CHUNK:
        return LargeUnit(members[0], spans[0], join_spans(spans[1:-1]), spans[-1])
    raise InvalidIndexError("its pieces are not laid out as this program lays them out")
