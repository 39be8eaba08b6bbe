"""A connection whose protocol is not known yet: RELP if its first bytes are those of RELP, lines otherwise.

The decision is made once, on the first bytes, and nothing waits for it. Bytes that could become RELP and do
not are the beginning of a line, also at the end of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.wire.sniffing import Protocol, sniff_protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.network.line_connection import LineConnection
    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.pipeline.arena import Arena

    DecidedConnection = LineConnection | RelpConnection

FIRST_READ_SIZE = 16 * 1024  # bytes


class UndecidedConnection:
    """One connection, until `on_decided` is called with the connection that replaces it."""

    is_plain = False

    def __init__(
        self,
        lines: LineConnection,
        create_relp: Callable[[], RelpConnection],
        on_decided: Callable[[DecidedConnection], None],
        read_size: int,
    ) -> None:
        """Read up to `read_size` bytes at a time. Unless it turns out to be RELP, it is `lines`."""
        self.sock = lines.sock
        self.last_read = 0.0  # monotonic time; set by the reader
        self._current: DecidedConnection = lines
        self._lines = lines
        self._create_relp = create_relp
        self._on_decided = on_decided
        self._read_size = min(FIRST_READ_SIZE, read_size)
        self._start = b""

    @property
    def unfinished(self) -> int:
        """Bytes of the unfinished line or frame."""
        return self._current.unfinished

    def held(self, size: int) -> bytes:
        """Return the first `size` bytes of the unfinished line."""
        return self._lines.held(size)

    def receive(self, arena: Arena) -> int:
        """Read once, and decide if possible. Returns and raises as the other connections do."""
        data = self.sock.recv(self._read_size)
        if data:
            self.feed(data, arena)
        return len(data)

    def feed(self, data: bytes, arena: Arena) -> None:
        """Process the bytes of one read, and decide if possible."""
        start = self._start + data
        match sniff_protocol(start):
            case None:
                self._start = start
                self._lines.set_tail(start)
            case Protocol.LINES:
                self._lines.feed(data, arena)
                self._on_decided(self._lines)
            case Protocol.RELP:
                self._lines.set_tail(b"")
                self._current = relp = self._create_relp()
                self._on_decided(relp)
                relp.feed(memoryview(start), arena)

    def to_lines(self, rest: bytes) -> tuple[LineConnection, bytes]:
        """Decide for lines, as nothing follows `rest`; return the connection and what it must still read.

        If it was RELP, it must read nothing: what was never acknowledged is sent again.
        """
        if sniff_protocol(self._start + rest) is Protocol.RELP:
            self._lines.drop_unfinished("stop")
            rest = b""
        return self._lines, rest

    def finish(self, arena: Arena) -> None:
        """Write the last line at the end of the stream."""
        self._current.finish(arena)

    def split(self, arena: Arena) -> None:
        """Write the bytes received so far as a line, which decides for lines."""
        self._on_decided(self._lines)
        self._lines.split(arena)

    def drop_unfinished(self, reason: str) -> None:
        """Drop the unfinished line or frame."""
        self._current.drop_unfinished(reason)
