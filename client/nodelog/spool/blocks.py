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


class Run(bytes):
    """Several lines that come as one, with an LF from each to the next; who makes it says how many."""

    lines: int


class Dropped(bytes):
    """A line that tells how many lines were dropped in its place."""

    told: int


def dropped(count: int) -> Dropped:
    """Give the line that tells of so many."""
    line = Dropped(b"nodelog: dropped %d lines (spool full)" % count)
    line.told = count
    return line


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that are added to a block at a time."""

    row: int
    """Counts the pieces of a spool; those of one block lie side by side."""
    number: int
    """Of the block, in its stream."""
    lines: int
    data: bytes
    dropped: int = 0
    """If not 0, its one line says that so many were dropped here."""


@dataclass(slots=True, eq=False)
class Block:
    """Lines that go in one frame and are acknowledged as one."""

    number: int
    first: int
    """Row of its first piece."""
    last: int = 0
    lines: int = 0
    size: int = 0
    """Bytes."""
    dropped: int = 0
    """If not 0, its one line says that so many were dropped here."""
    kept: list[bytes] | None = field(default_factory=list)
    """Its data, if it is in memory."""


def lines_in(lines: Sequence[bytes]) -> int:
    """Count them, each Run as what it is."""
    return sum(line.lines if type(line) is Run else 1 for line in lines)


def pieces_of(lines: Sequence[bytes], number: int, room: int, row: int) -> Iterator[Piece]:
    """Cut `lines`, which come without their last LF, into pieces that fit into blocks; a Run stays whole.

    A line that tells of dropped ones has a block of its own, so that it is not dropped with others.
    Block `number` has `room` for so many bytes; the next ones are numbered from there. `row` is the first's.
    """
    start = 0
    left = room
    for at, line in enumerate(lines):
        is_alone = type(line) is Dropped
        # What does not fit any more; a line that is too long for any block has one of its own, too.
        need = BLOCK_BYTES if is_alone else len(line) + 1
        if need > left and (at > start or left < BLOCK_BYTES):
            if at > start:
                yield _piece(row, number, lines[start:at])
                row += 1
            start = at
            number += 1
            left = BLOCK_BYTES
        left -= need
    yield _piece(row, number, lines[start:])


def _piece(row: int, number: int, lines: Sequence[bytes]) -> Piece:
    told = lines[0].told if type(lines[0]) is Dropped else 0
    return Piece(row, number, lines_in(lines), b"\n".join(lines) + b"\n", told)
