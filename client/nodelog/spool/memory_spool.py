"""The spool in memory: which blocks are held, of which streams, in which order they go.

A run of a client is a stream, and numbers its blocks from 1. The last block takes more lines until it is full
or sealed: from the moment a block may have been sent, what it has in it never changes. Blocks of earlier runs
keep their stream and their number; a spool in a file finds them when it is opened.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import BLOCK_BYTES, Block, Piece, dropped, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STREAM_BYTES: Final = 16


class Spool:
    """Lines that wait for a collector. For one thread at a time.

    `size` is in bytes, `gone` counts the lines that it once held (with `lines`, all that ever came),
    `dropped` and `aside` those of them that no collector has; `news` are lines about itself that belong into
    the stream. Whatever raises SpoolError has changed nothing.
    """

    is_lasting = False
    """True if what it holds outlives the process."""

    def __init__(self) -> None:
        self.gone = 0
        self.dropped = 0
        self.aside = 0
        self.news: list[str] = []
        self._row = 0  # the last one given to a piece
        self._most_in_memory: float = float("inf")
        self._start()

    def _start(self) -> None:
        """Begin a stream, with nothing held."""
        self.stream = os.urandom(STREAM_BYTES)
        self.size = 0
        self.lines = 0
        self._held: dict[bytes, deque[Block]] = {self.stream: deque()}  # this run's stream is the last one
        self._next = 1  # number of the next block
        self._open: Block | None = None
        self._in_memory = 0  # bytes of data

    def streams(self) -> list[bytes]:
        """List the streams that have blocks, in the order in which they are to be sent."""
        return [stream for stream, blocks in self._held.items() if blocks]

    def blocks(self, stream: bytes) -> Sequence[Block]:
        """Give the blocks of a stream, in order."""
        return self._held.get(stream, ())

    def lowest(self, stream: bytes) -> int:
        """Give the number of the first block that is held, or of the one that would be."""
        blocks = self._held.get(stream)
        return blocks[0].number if blocks else self._next

    def is_open(self, block: Block) -> bool:
        """Tell whether more lines will be put into this block."""
        return block is self._open

    def append(self, lines: Sequence[bytes]) -> None:
        """Keep these lines, given without their last LF. On return they are kept; raises SpoolError."""
        room, number = 0, self._next - 1
        if self._open is not None:
            room, number = BLOCK_BYTES - self._open.size, self._open.number
        pieces = list(pieces_of(lines, number, room, self._row + 1))
        self._change([], self.stream, pieces)
        for piece in pieces:
            self._add(piece)

    def seal(self, block: Block) -> None:
        """Put no more lines into a block: it is about to be sent."""
        if block is self._open:
            self._open = None

    def read(self, block: Block) -> bytes:
        """Give the data of a block."""
        kept = block.kept
        if kept is None:
            return self._load(block)
        return kept[0] if len(kept) == 1 else b"".join(kept)

    def forget(self, stream: bytes, number: int) -> None:
        """Let go of a stream's blocks up to this number: a collector has them."""
        blocks = self._held.get(stream)
        while blocks and blocks[0].number <= number:
            block = blocks.popleft()
            self._let_go(block)
            self._forgotten(block)

    def drop_oldest(self, stream: bytes, in_flight: int) -> int:
        """Drop the oldest block that may be dropped; give the number of its lines, 0 if there is none.

        The first `in_flight` blocks of `stream` are under way and stay. A line that tells how many lines were
        dropped takes the place of the block, and of such a line before it.
        """
        for which, blocks in self._held.items():
            begin = in_flight if which == stream else 0
            tells = begin < len(blocks) and blocks[begin].dropped > 0
            at = begin + tells
            if at < len(blocks):
                victim = blocks[at]
                before = blocks[begin].dropped if tells else 0
                self._tell(which, begin, at, before + (victim.dropped or victim.lines))
                self.dropped += 0 if victim.dropped else victim.lines
                return victim.lines
        return 0

    def set_aside(self, stream: bytes, why: str) -> str:
        """Take the first block of a stream out of the way of the others; give a line that tells so."""
        blocks = self._held[stream]
        done = self._put_aside(stream, blocks[0], why)
        self._let_go(blocks.popleft())
        return f"{done}: {why}"

    def rename(self, stream: bytes) -> None:
        """Give the blocks of a stream a new one, under which no collector can know them."""
        new = os.urandom(STREAM_BYTES)
        self._rename(stream, new)
        self._held = {new if old == stream else old: blocks for old, blocks in self._held.items()}
        if stream == self.stream:
            self.stream = new

    def renew(self) -> None:
        """Begin another spool in the place of this one, which is damaged. Raises SpoolError."""

    def settle(self) -> None:
        """Write down what was forgotten; without it, that is done with the next lines."""

    def settle_for_good(self) -> None:
        """Write down what was forgotten so that it stays so after a power failure."""

    def close(self) -> None:
        """Let go of what the spool uses."""

    def _add(self, piece: Piece) -> None:
        block = self._open
        if block is None or block.number != piece.number:
            block = self._open = Block(piece.number, piece.row, dropped=piece.dropped)
            self._held[self.stream].append(block)
            self._next = piece.number + 1
        self._put(block, piece)
        if block.dropped:
            self._open = None

    def _put(self, block: Block, piece: Piece) -> None:
        block.last = piece.row
        self._row = max(self._row, piece.row)
        block.lines += piece.lines
        block.size += len(piece.data)
        self.lines += piece.lines
        self.size += len(piece.data)
        self._keep(block, piece.data)

    def _keep(self, block: Block, data: bytes) -> None:
        if block.kept is None:
            return
        block.kept.append(data)
        self._in_memory += len(data)
        if self._in_memory > self._most_in_memory:
            self._in_memory -= block.size
            block.kept = None

    def _let_go(self, block: Block) -> None:
        if block is self._open:
            self._open = None
        self.lines -= block.lines
        self.gone += block.lines
        self.size -= block.size
        if block.kept is not None:
            self._in_memory -= block.size

    def _tell(self, stream: bytes, begin: int, end: int, count: int) -> None:
        """Put a line that tells of `count` dropped ones into the place of these blocks."""
        blocks = self._held[stream]
        old = [blocks[at] for at in range(begin, end + 1)]
        data = dropped(count) + b"\n"
        # A row of the old ones: those of a block that takes more lines have to lie side by side.
        piece = Piece(old[0].first, old[-1].number, 1, data, count)
        self._change(old, stream, [piece])
        for block in old:
            self._let_go(block)
            blocks.remove(block)
        self.gone -= 1  # one of them stays, as the line that tells
        told = Block(piece.number, piece.row, dropped=count)
        blocks.insert(begin, told)
        self._put(told, piece)

    def _change(self, old: Iterable[Block], stream: bytes, pieces: Sequence[Piece]) -> None:
        """Write down that these pieces take the place of these blocks, all or nothing."""

    def _forgotten(self, block: Block) -> None:
        """Take note that a block need not be kept any more."""

    def _load(self, block: Block) -> bytes:
        raise NotImplementedError

    def _put_aside(self, stream: bytes, block: Block, why: str) -> str:  # noqa: ARG002 (a file keeps them)
        """Keep a block where it is not sent; tell what was done."""
        self.dropped += block.lines
        return f"dropped {block.lines} lines"

    def _rename(self, old: bytes, new: bytes) -> None:
        """Write it down."""
