"""The lines of writes, made when they are sent, and made again if need be: a number is all it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelog.load.generator.line_blocks import LineBlock

if TYPE_CHECKING:
    from nodelog.load.generator.settings import Settings

_AHEAD: Final = 32  # lines that are made at a time when each is a write of its own, unless they are large
_AHEAD_BYTES: Final = 16 * 1024  # the same, of each connection


class Blocks:
    """The lines of a write, made when they are sent, in memory that all connections share."""

    def __init__(self, settings: Settings) -> None:
        self.fill = LineBlock(settings.line_format, settings.write_lines).fill


class Singles:
    """The same where a write is one line: made some at a time, and kept until they are sent."""

    def __init__(self, settings: Settings) -> None:
        self._size = settings.line_size
        self._ahead = max(1, min(_AHEAD, _AHEAD_BYTES // self._size))
        self._block = LineBlock(settings.line_format, self._ahead)
        self._made: dict[int, tuple[int, memoryview]] = {}

    def fill(self, connection: int, first: int) -> memoryview:
        """Give the line of this number."""
        start, lines = self._made.get(connection, (-self._ahead, memoryview(b"")))
        at = first - start
        if not 0 <= at < self._ahead:
            at, lines = 0, memoryview(bytes(self._block.fill(connection, first)))
            self._made[connection] = first, lines
        return lines[at * self._size : (at + 1) * self._size]


def supply(settings: Settings) -> Blocks | Singles:
    """Give what makes the lines of these writes."""
    return Blocks(settings) if settings.write_lines > 1 else Singles(settings)
