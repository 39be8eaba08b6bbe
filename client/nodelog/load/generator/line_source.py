"""The lines of writes, built when they are sent and rebuilt when needed: a line is defined by its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelog.load.generator.line_blocks import LineBlock

if TYPE_CHECKING:
    from nodelog.load.generator.settings import Settings

_AHEAD: Final = 32  # lines built at a time when each is a write of its own, unless they are large
_AHEAD_BYTES: Final = 16 * 1024  # the same limit in bytes, per connection


class BlockSource:
    """The lines of a write, built when they are sent, in a buffer that all connections share."""

    def __init__(self, settings: Settings) -> None:
        self.lines = LineBlock(settings.line_format, settings.write_lines).fill


class SingleLineSource:
    """The lines of writes of one line each: several are built at a time and kept until they are sent."""

    def __init__(self, settings: Settings) -> None:
        self._size = settings.line_size
        self._ahead = max(1, min(_AHEAD, _AHEAD_BYTES // self._size))
        self._block = LineBlock(settings.line_format, self._ahead)
        self._built: dict[int, tuple[int, memoryview]] = {}

    def lines(self, connection: int, first: int) -> memoryview:
        """Return the line with number `first`."""
        start, lines = self._built.get(connection, (-self._ahead, memoryview(b"")))
        index = first - start
        if not 0 <= index < self._ahead:
            index, lines = 0, memoryview(bytes(self._block.fill(connection, first)))
            self._built[connection] = first, lines
        return lines[index * self._size : (index + 1) * self._size]


def line_source(settings: Settings) -> BlockSource | SingleLineSource:
    """Return the source for writes of this size."""
    return BlockSource(settings) if settings.write_lines > 1 else SingleLineSource(settings)
