"""One numbered connection of a load: which lines it has handed to the kernel, over however many sockets.

Lines are not acknowledged. What the kernel took may be lost with a connection that dies, and shows as lost
when the files are verified: that is what a load is for. A line that the kernel did not take wholly is sent
again from its start, and none before it, so that nothing is doubled by us.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nodelog.backoff import delays
from nodelog.load.lines import Block

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from nodelog.load.settings import Settings

_AHEAD = 32  # lines that are made at a time when each is a write of its own, unless they are large
_AHEAD_BYTES = 16 * 1024  # the same, of each connection


class Connection:
    """The lines of one connection, and its socket while it has one."""

    __slots__ = (
        "_delays", "_size", "_start", "connecting", "ended", "first", "last", "leaving", "nth", "number",
        "offset", "planned", "quota", "sock", "supply",
    )  # fmt: skip

    def __init__(self, number: int, settings: Settings, supply: Blocks | Singles) -> None:
        self.number = number
        self.quota = settings.quota(number)
        self.supply = supply
        self.sock: socket.socket | None = None
        self.connecting = False
        self.leaving = False  # at the end of the line it is in
        self.ended = False  # its socket, by us
        self.first = self.last = 0  # lines of the write it is at; `offset` bytes of it are handed over
        self.offset = 0
        self.nth = -1  # write
        self.planned = 0  # when it was to happen, nanoseconds
        self._size = settings.line_size
        self._start = 0  # its first line over this socket
        self._delays: Iterator[float] | None = None

    @property
    def sent(self) -> int:
        """How many lines were wholly handed to the kernel."""
        return self.first + self.offset // self._size

    @property
    def is_done(self) -> bool:
        """True if all its lines are handed over."""
        return self.first == self.quota

    @property
    def is_between_lines(self) -> bool:
        """True if no line is handed over in part."""
        return self.offset % self._size == 0

    def next_write(self, lines: int) -> None:
        """Go on to the write after this one."""
        self.first = self.last
        self.last = self.first + lines
        if self.quota is not None and self.last > self.quota:
            self.last = self.quota
        self.offset = 0
        self.nth += 1

    def push(self) -> bool:
        """Hand over what the kernel takes of the write; True if that is all. Raises OSError."""
        if self.leaving:
            if self.is_between_lines:
                return True
            end = (self.offset // self._size + 1) * self._size
        else:
            end = (self.last - self.first) * self._size
        assert self.sock is not None  # noqa: S101 (only a connection that is open is pushed)
        try:
            self.offset += self.sock.send(self.supply.fill(self.number, self.first)[self.offset : end])
        except BlockingIOError:
            return False
        return self.offset == end

    def disconnected(self) -> float:
        """Keep what is not handed over; give the seconds to wait before the next try."""
        done, rest = divmod(self.offset, self._size)
        self.first += done
        self.offset = 0
        if rest or self.first > self._start:
            self._delays = None  # the socket was of use
        self._start = self.first
        self.sock = None
        self.connecting = self.leaving = self.ended = False
        if self._delays is None:
            self._delays = delays(random.random)
        return next(self._delays)


class Blocks:
    """The lines of a write, made when they are sent, in memory that all connections share."""

    def __init__(self, settings: Settings) -> None:
        self.fill = Block(settings.layout, settings.write_lines).fill


class Singles:
    """The same where a write is one line: made some at a time, and kept until they are sent."""

    def __init__(self, settings: Settings) -> None:
        self._size = settings.line_size
        self._ahead = max(1, min(_AHEAD, _AHEAD_BYTES // self._size))
        self._block = Block(settings.layout, self._ahead)
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
