"""What every spool does: hold blocks of lines per stream, in the order in which they are sent.

Each run of a client is one stream and numbers its blocks from 1. The last block takes more lines until it is
full or sealed: once a block may have been sent, its content never changes. Blocks of earlier runs keep their
stream and their number.

A subclass decides where a change is recorded: `MemorySpool` nowhere, `FileSpool` in SQLite.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import BLOCK_BYTES, Block, Piece, drop_notice, split_into_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

STREAM_BYTES: Final = 16


class Spool(ABC):
    """Lines that wait for a collector. Not thread-safe.

    `lines` and `size` are the lines and bytes held now; `removed` counts the lines that have left the spool,
    so `lines + removed` is every line that ever entered it. `dropped` and `aside` count those of the removed
    lines that no collector has. `notices` are messages about the spool itself that belong into the stream.
    A method that raises SpoolError has changed nothing.
    """

    is_persistent: bool
    """True if the content outlives the process."""
    path: Path | None = None
    """Where it is, if it is a file."""

    def __init__(self) -> None:
        self.removed = 0
        self.dropped = 0
        self.aside = 0
        self.notices: list[str] = []
        self._last_row = 0  # the last row number given to a piece
        self._max_memory_bytes: float = float("inf")
        self._start_stream()

    def _start_stream(self) -> None:
        """Start a new stream, with nothing held."""
        self.stream = os.urandom(STREAM_BYTES)
        self.size = 0
        self.lines = 0
        self._blocks: dict[bytes, deque[Block]] = {self.stream: deque()}  # this run's stream is the last one
        self._next_number = 1  # number of the next block
        self._open_block: Block | None = None
        self._memory_bytes = 0  # bytes of data held in memory

    def streams(self) -> list[bytes]:
        """Return the streams that have blocks, in the order in which they are to be sent."""
        return [stream for stream, blocks in self._blocks.items() if blocks]

    def blocks(self, stream: bytes) -> Sequence[Block]:
        """Return the blocks of a stream, in order."""
        return self._blocks.get(stream, ())

    def lowest(self, stream: bytes) -> int:
        """Return the number of the first block held, or of the next block if there is none."""
        blocks = self._blocks.get(stream)
        return blocks[0].number if blocks else self._next_number

    def is_open(self, block: Block) -> bool:
        """Return whether more lines may still be added to this block."""
        return block is self._open_block

    def append(self, lines: Sequence[bytes]) -> None:
        """Store these lines, each without its final LF. They are stored on return; raises SpoolError."""
        room, number = 0, self._next_number - 1
        if self._open_block is not None:
            room, number = BLOCK_BYTES - self._open_block.size, self._open_block.number
        pieces = list(split_into_pieces(lines, number, room, self._last_row + 1))
        self._store([], self.stream, pieces)
        for piece in pieces:
            self._add_piece(piece)

    def seal(self, block: Block) -> None:
        """Add no more lines to a block: it is about to be sent."""
        if block is self._open_block:
            self._open_block = None

    def read(self, block: Block) -> bytes:
        """Return the data of a block."""
        chunks = block.chunks
        if chunks is None:
            return self._load(block)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def forget(self, stream: bytes, number: int) -> None:
        """Remove the blocks of a stream up to this number: a collector has them."""
        blocks = self._blocks.get(stream)
        while blocks and blocks[0].number <= number:
            block = blocks.popleft()
            self._uncount(block)
            self._note_removal(block)

    def drop_oldest(self, stream: bytes, in_flight: int) -> int:
        """Drop the oldest block that may be dropped; return the number of its lines, 0 if there is none.

        The first `in_flight` blocks of `stream` are unacknowledged on a connection and stay. A drop notice
        takes the place of the block and of a drop notice just before it.
        """
        for which, blocks in self._blocks.items():
            begin = in_flight if which == stream else 0
            follows_notice = begin < len(blocks) and blocks[begin].dropped > 0
            at = begin + follows_notice
            if at < len(blocks):
                victim = blocks[at]
                before = blocks[begin].dropped if follows_notice else 0
                self._replace_by_notice(which, begin, at, before + (victim.dropped or victim.lines))
                self.dropped += 0 if victim.dropped else victim.lines
                return victim.lines
        return 0

    def set_aside(self, stream: bytes, reason: str) -> str:
        """Remove the first block of a stream so that the others can go on; return a line that says so."""
        blocks = self._blocks[stream]
        outcome = self._store_aside(stream, blocks[0], reason)
        self._uncount(blocks.popleft())
        return f"{outcome}: {reason}"

    def rename_stream(self, stream: bytes) -> None:
        """Move the blocks of a stream to a new one that no collector can know."""
        new = os.urandom(STREAM_BYTES)
        self._store_rename(stream, new)
        self._blocks = {new if old == stream else old: blocks for old, blocks in self._blocks.items()}
        if stream == self.stream:
            self.stream = new

    def adopt_orphans(self) -> bool:
        """Take over what ended child processes left; return whether there was any. Raises SpoolError."""
        return False

    @abstractmethod
    def reopen(self) -> None:
        """Replace this spool, which is damaged, by a working one. Raises SpoolError."""

    @abstractmethod
    def commit_removals(self) -> None:
        """Record what was forgotten; otherwise that happens with the next lines. Raises SpoolError."""

    @abstractmethod
    def sync_removals(self) -> None:
        """Record what was forgotten so that it survives a power failure. Raises SpoolError."""

    @abstractmethod
    def close(self) -> None:
        """Release what the spool uses."""

    @abstractmethod
    def _store(self, old: Iterable[Block], stream: bytes, pieces: Sequence[Piece]) -> None:
        """Record that these pieces replace these blocks, all or nothing."""

    @abstractmethod
    def _load(self, block: Block) -> bytes:
        """Return the data of a block that is not in memory."""

    @abstractmethod
    def _note_removal(self, block: Block) -> None:
        """Note that a block need not be kept any longer."""

    @abstractmethod
    def _store_aside(self, stream: bytes, block: Block, reason: str) -> str:
        """Keep a block where it is not sent, and count its lines; return what was done."""

    @abstractmethod
    def _store_rename(self, old: bytes, new: bytes) -> None:
        """Record the new name of a stream."""

    def _drop_instead(self, block: Block) -> str:
        """Count a block that cannot be set aside as dropped; return what was done."""
        self.dropped += block.lines
        return f"dropped {block.lines} lines"

    def _add_piece(self, piece: Piece) -> None:
        block = self._open_block
        if block is None or block.number != piece.block_number:
            block = self._open_block = Block(piece.block_number, piece.row, dropped=piece.dropped)
            self._blocks[self.stream].append(block)
            self._next_number = piece.block_number + 1
        self._extend_block(block, piece)
        if block.dropped:
            self._open_block = None

    def _extend_block(self, block: Block, piece: Piece) -> None:
        block.last_row = piece.row
        self._last_row = max(self._last_row, piece.row)
        block.lines += piece.lines
        block.size += len(piece.data)
        self.lines += piece.lines
        self.size += len(piece.data)
        self._cache(block, piece.data)

    def _cache(self, block: Block, data: bytes) -> None:
        if block.chunks is None:
            return
        block.chunks.append(data)
        self._memory_bytes += len(data)
        if self._memory_bytes > self._max_memory_bytes:
            self._memory_bytes -= block.size
            block.chunks = None

    def _uncount(self, block: Block) -> None:
        """Take a block that leaves the spool out of the totals."""
        if block is self._open_block:
            self._open_block = None
        self.lines -= block.lines
        self.removed += block.lines
        self.size -= block.size
        if block.chunks is not None:
            self._memory_bytes -= block.size

    def _replace_by_notice(self, stream: bytes, begin: int, end: int, count: int) -> None:
        """Replace these blocks by one notice of `count` dropped lines."""
        blocks = self._blocks[stream]
        old = [blocks[at] for at in range(begin, end + 1)]
        data = drop_notice(count) + b"\n"
        # It takes a row of the old blocks: the rows of a block that still grows must be adjacent.
        piece = Piece(old[0].first_row, old[-1].number, 1, data, count)
        self._store(old, stream, [piece])
        for block in old:
            self._uncount(block)
            blocks.remove(block)
        self.removed -= 1  # one of them stays: it became the notice
        notice = Block(piece.block_number, piece.row, dropped=count)
        blocks.insert(begin, notice)
        self._extend_block(notice, piece)
