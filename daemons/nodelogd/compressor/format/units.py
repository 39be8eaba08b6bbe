"""What an archive is made of, as the next cycle needs it: units that are copied or made anew as a whole.

A large file is a unit of its own: a piece with its header, a row of pieces of 1 MiB of content each, which
stay as they are while the file only grows, and a piece with the rest. Small files that follow each other
share a piece, or 10,000 of them would cost as many headers and beginnings of a dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nodelog.archive.index import FileMetadata, InvalidIndexError, encode_member
from nodelogd.compressor.format.pieces import Span, joined, piece

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK: Final = 1024 * 1024
"""Bytes of content in a finished piece."""


@dataclass(frozen=True, slots=True)
class Large:
    """A file of its own."""

    details: FileMetadata
    header: Span
    chunks: Span
    tail: Span

    @property
    def members(self) -> tuple[FileMetadata, ...]:
        """The one."""
        return (self.details,)

    @property
    def span(self) -> Span:
        """All its pieces."""
        return joined([self.header, self.chunks, self.tail])

    @property
    def lines(self) -> bytes:
        """Its lines of the index."""
        return b"".join([encode_member(self.details), self.header.lines, self.chunks.lines, self.tail.lines])


@dataclass(frozen=True, slots=True)
class Group:
    """Files that share one piece."""

    members: tuple[FileMetadata, ...]
    span: Span
    lines: bytes
    """Of the index."""


Unit = Large | Group


def group(members: tuple[FileMetadata, ...], span: Span) -> Group:
    """Make a group, and its lines while we are at it: they are kept as long as it is."""
    return Group(members, span, b"".join(map(encode_member, members)) + span.lines)


def units_of(rows: Iterable[dict[str, Any]]) -> tuple[list[Unit], Span]:
    """Find units and end in the lines of an index. Raises InvalidIndexError if it was made in another way."""
    units: list[Unit] = []
    members: list[FileMetadata] = []
    spans: list[Span] = []
    for row in rows:
        if "name" not in row:
            spans.append(piece(**row))
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
        return group(tuple(members), spans[0])
    if len(members) == 1 and len(spans) == 2 + members[0].length // CHUNK:
        return Large(members[0], spans[0], joined(spans[1:-1]), spans[-1])
    raise InvalidIndexError("its pieces are not those that this program makes")
