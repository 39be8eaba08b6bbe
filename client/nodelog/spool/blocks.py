"""What a spool consists of: numbered blocks of whole lines, each stored in one or more pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK_BYTES: Final = 64 * 1024
"""The size limit of a block, unless it is one line that is longer."""


class SpoolError(Exception):
    """The spool cannot be used, at least not now; the message is one line for an operator."""


class SpoolInUseError(SpoolError):
    """Another process, or another part of this one, uses the spool."""


class DamagedSpoolError(SpoolError):
    """The content of the file cannot be trusted; `FileSpool.reopen` moves it aside and starts a new one."""


class ClosedSpoolError(DamagedSpoolError):
    """Another part of the program has closed the file; `FileSpool.reopen` starts a new one."""


class LineBatch(bytes):
    """Several lines handed in together, with an LF between them; its creator sets `lines`, their number."""

    lines: int


class DropNotice(bytes):
    """A line that says how many lines were dropped in its place: `dropped`."""

    dropped: int


def drop_notice(count: int) -> DropNotice:
    """Return the line that reports `count` dropped lines."""
    line = DropNotice(b"nodelog: dropped %d lines (spool full)" % count)
    line.dropped = count
    return line


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that are added to a block in one step."""

    row: int
    """The piece's number in the spool; the pieces of one block have adjacent rows."""
    block_number: int
    """The number of its block in the stream."""
    lines: int
    data: bytes
    dropped: int = 0
    """If not 0, the piece is one notice that this many lines were dropped here."""


@dataclass(slots=True, eq=False)
class Block:
    """Lines that are sent in one frame and acknowledged together."""

    number: int
    first_row: int
    """Row of its first piece."""
    last_row: int = 0
    lines: int = 0
    size: int = 0
    """Bytes."""
    dropped: int = 0
    """If not 0, the block is one notice that this many lines were dropped here."""
    chunks: list[bytes] | None = field(default_factory=list)
    """Its data in memory; None if it is only in the file."""


def count_lines(lines: Sequence[bytes]) -> int:
    """Return the number of lines, counting those in each LineBatch."""
    return sum(line.lines if type(line) is LineBatch else 1 for line in lines)


def split_into_pieces(lines: Sequence[bytes], number: int, room: int, row: int) -> Iterator[Piece]:
    """Split `lines`, each without its final LF, into pieces that fit into blocks; a LineBatch stays whole.

    A drop notice gets a block of its own, so that it is not dropped together with other lines. Block `number`
    has `room` bytes left; the blocks after it are numbered from there. `row` is the row of the first piece.
    """
    start = 0
    left = room
    for at, line in enumerate(lines):
        is_alone = type(line) is DropNotice
        # A line that is too long for any block gets a block of its own, too.
        need = BLOCK_BYTES if is_alone else len(line) + 1
        if need > left and (at > start or left < BLOCK_BYTES):
            if at > start:
                yield _make_piece(row, number, lines[start:at])
                row += 1
            start = at
            number += 1
            left = BLOCK_BYTES
        left -= need
    yield _make_piece(row, number, lines[start:])


def _make_piece(row: int, number: int, lines: Sequence[bytes]) -> Piece:
    dropped = lines[0].dropped if type(lines[0]) is DropNotice else 0
    return Piece(row, number, count_lines(lines), b"\n".join(lines) + b"\n", dropped)
