"""A write as RELP frames: one frame of all its lines, or one frame per line.

Frames are rebuilt each time a part of them is sent, from the numbers of the first line and of the first
transaction, so that connections need not keep them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.load.generator.line_blocks import LineBlock
from nodelog.load.generator.line_source import line_source
from nodelog.wire.frames import TRAILER, encode_header

if TYPE_CHECKING:
    from nodelog.load.generator.settings import Settings


class BlockFraming:
    """A write is one `lines` frame."""

    def __init__(self, settings: Settings) -> None:
        self._size = settings.line_size
        self._source = line_source(settings)
        self.max_data = settings.write_lines * settings.line_size
        """Bytes of data in a frame, at most."""
        self.lines_per_frame = settings.write_lines
        """Lines of a frame; the last one may have fewer."""

    def buffers(self, connection: int, first: int, lines: int, txnr: int) -> list[bytes | memoryview]:
        """Return the frame with these lines; valid until the next call."""
        size = lines * self._size
        return [encode_header(txnr, b"lines", size), self._source.lines(connection, first)[:size], TRAILER]


class MessageFraming:
    """A write is one `syslog` frame per line. The line's LF ends the frame, so the frames form a table too.

    Only the transaction numbers vary in width: one formatting operation inserts all of them.
    """

    def __init__(self, settings: Settings) -> None:
        self.max_data = settings.line_size - 1
        self.lines_per_frame = 1
        head = b"%d" + encode_header(0, b"syslog", self.max_data).removeprefix(b"0")
        self._width = len(head) + settings.line_size
        self._block = LineBlock(settings.line_format, settings.write_lines, prefix=head)

    def buffers(self, connection: int, first: int, lines: int, txnr: int) -> list[bytes | memoryview]:
        """Return the frames of these lines."""
        table = self._block.fill(connection, first)[: lines * self._width]
        return [bytes(table) % tuple(range(txnr, txnr + lines))]


def framing(settings: Settings) -> BlockFraming | MessageFraming:
    """Return the framing that `settings` asks for."""
    return BlockFraming(settings) if settings.frames == "lines" else MessageFraming(settings)
