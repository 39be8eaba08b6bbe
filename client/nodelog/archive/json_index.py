"""An index of version 1, as it was written until this program's version 1: JSON lines. It is only read.

The first line names the format and the archive; the last line is the CRC-32 of all lines before it. Between
them, in archive order, is one line per member and one per piece: the members that begin in a piece come
before the pieces that hold them.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nodelog.archive.index_model import (
    GZIP_END,
    GZIP_HEADER,
    FileMetadata,
    Index,
    InvalidIndexError,
    Member,
    Piece,
    Trailer,
)
from nodelog.archive.index_rows import MAX_UINT32, is_valid_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

FORMAT: Final = "nodelog archive index"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class MemberList:
    """Members that are all in memory."""

    members: list[Member]

    def find(self, names: Collection[str] | None) -> Iterator[Member]:
        """Yield the members, or those of these names."""
        return (member for member in self.members if names is None or member.name in names)


def parse_json_index(data: bytes) -> Index:
    """Return the index in `data`. Raises InvalidIndexError if it is damaged or not an index."""
    trailer, rows = decode_index(data)
    pieces: list[Piece] = []
    members: list[Member] = []
    offset, start, begin = GZIP_HEADER, 0, 0
    for row in rows:
        if "name" in row:
            values = {field: value for field, value in row.items() if field not in _DROPPED}
            member = Member(FileMetadata(**values), begin)
            members.append(member)
            begin = member.end
        else:
            pieces.append(Piece(offset=offset, start=start, **row))
            offset += row["length"]
            start += row["size"]
    if offset + GZIP_END != trailer.length or start % 2**32 != trailer.size or begin > start:
        raise InvalidIndexError("its lines do not add up to its archive")
    return Index(trailer=trailer, pieces=pieces, units=[MemberList(members)])


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
_DROPPED: Final = ("user", "group")  # in version 2
_ADDED: Final = {"holes", "link"}  # by version 2
_MEMBER: Final = dict.fromkeys({*FileMetadata._fields} - _ADDED, int) | dict.fromkeys(_TEXTS, str)
_PIECE: Final = dict.fromkeys(("length", "size", "crc"), int)


def _parse_line(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # the latter from ten thousand brackets
        raise InvalidIndexError("a line is not JSON") from None
    if not isinstance(row, dict):
        raise InvalidIndexError("a line is not an object")
    return row
