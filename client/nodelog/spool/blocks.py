"""What a spool is made of: numbered blocks of whole lines, each written down in one piece or several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK_BYTES: Final = 64 * 1024
"""Of a block, unless it is one line that is longer."""


class SpoolError(Exception):
    """The spool cannot be used, or not at the moment; the message is one line for an operator."""


class DamagedSpoolError(SpoolError):
    """What is in the file cannot be trusted any more; `FileSpool.renew` puts it aside and begins another."""


class LineBatch(bytes):
    """Several lines that come as one, with an LF from each to the next; who makes it says how many."""

    lines: int


class DropNotice(bytes):
    """A line that tells how many lines were dropped in its place."""

    dropped: int


def drop_notice(count: int) -> DropNotice:
    """Give the line that tells of so many."""
    line = DropNotice(b"nodelog: dropped %d lines (spool full)" % count)
    line.dropped = count
    return line


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that are added to a block at a time."""

    row: int
    """Counts the pieces of a spool; those of one block lie side by side."""
    block_number: int
    """Of the block, in its stream."""
    lines: int
    data: bytes
    dropped: int = 0
    """If not 0, its one line says that so many were dropped here."""


@dataclass(slots=True, eq=False)
class Block:
    """Lines that go in one frame and are acknowledged as one."""

    number: int
    first_row: int
    """Row of its first piece."""
    last_row: int = 0
    lines: int = 0
    size: int = 0
    """Bytes."""
    dropped: int = 0
    """If not 0, its one line says that so many were dropped here."""
    chunks: list[bytes] | None = field(default_factory=list)
    """Its data, if it is in memory."""


def count_lines(lines: Sequence[bytes]) -> int:
    """Count them, each Run as what it is."""
    return sum(line.lines if type(line) is LineBatch else 1 for line in lines)


def split_into_pieces(lines: Sequence[bytes], number: int, room: int, row: int) -> Iterator[Piece]:
    """Cut `lines`, which come without their last LF, into pieces that fit into blocks; a Run stays whole.

    A line that tells of dropped ones has a block of its own, so that it is not dropped with others.
    Block `number` has `room` for so many bytes; the next ones are numbered from there. `row` is the first's.
    """
    start = 0
    left = room
    for at, line in enumerate(lines):
        is_alone = type(line) is DropNotice
        # What does not fit any more; a line that is too long for any block has one of its own, too.
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
    told = lines[0].dropped if type(lines[0]) is DropNotice else 0
    return Piece(row, number, count_lines(lines), b"\n".join(lines) + b"\n", told)
