"""A write as frames of RELP: one of all its lines, or one of each.

A frame is made anew each time a part of it is sent, from the number of its first line and of its first
transaction, so that connections need not keep any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.load.generator.line_blocks import LineBlock
from nodelog.load.generator.line_source import supply
from nodelog.wire.frames import TRAILER, encode_header

if TYPE_CHECKING:
    from nodelog.load.generator.settings import Settings


class BlockFrames:
    """A write is one `lines` frame."""

    def __init__(self, settings: Settings) -> None:
        self._size = settings.line_size
        self._supply = supply(settings)
        self.data = settings.write_lines * settings.line_size
        """Bytes of data in a frame, at most."""
        self.lines = settings.write_lines
        """Lines of a frame, but of the last one."""

    def pieces(self, connection: int, first: int, lines: int, txnr: int) -> list[bytes | memoryview]:
        """Give the frame with these lines; good until the next call."""
        size = lines * self._size
        return [encode_header(txnr, b"lines", size), self._supply.fill(connection, first)[:size], TRAILER]


class MessageFrames:
    """A write is a `syslog` frame of each line. Its LF is that of the frame, so frames are a table too.

    Only their transactions are not as wide as each other: they come in by one formatting of all of them.
    """

    def __init__(self, settings: Settings) -> None:
        self.data = settings.line_size - 1
        self.lines = 1
        head = b"%d" + encode_header(0, b"syslog", self.data).removeprefix(b"0")
        self._width = len(head) + settings.line_size
        self._block = LineBlock(settings.line_format, settings.write_lines, prefix=head)

    def pieces(self, connection: int, first: int, lines: int, txnr: int) -> list[bytes | memoryview]:
        """Give the frames of these lines."""
        table = self._block.fill(connection, first)[: lines * self._width]
        return [bytes(table) % tuple(range(txnr, txnr + lines))]


def framing(settings: Settings) -> BlockFrames | MessageFrames:
    """Give what makes the frames of these writes."""
    return BlockFrames(settings) if settings.frames == "lines" else MessageFrames(settings)
