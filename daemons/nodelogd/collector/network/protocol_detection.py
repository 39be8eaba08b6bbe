"""A connection whose protocol is not known yet: RELP if it begins as RELP does, lines otherwise.

That is decided once, on its first bytes, and nobody waits for it: what could become RELP and is not is the
beginning of a line, and stays one at the end of the stream.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from nodelog.wire.detection import Protocol, detect

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.network.line_connection import LineConnection
    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.pipeline.arena import Arena

FIRST = 16 * 1024  # bytes of the first read


class UndecidedConnection:
    """One connection, until `become` is given what it turned out to be."""

    is_plain = False

    def __init__(
        self,
        lines: LineConnection,
        relp: Callable[[], RelpConnection],
        become: Callable[[LineConnection | RelpConnection], None],
        read: int,
    ) -> None:
        """Read up to `read` bytes at a time. `lines` is what it is if nothing else is found out."""
        self.sock = lines.sock
        self.active = 0.0
        self._now: LineConnection | RelpConnection = lines
        self._lines = lines
        self._relp = relp
        self._become = become
        self._read = min(FIRST, read)
        self._start = b""

    @property
    def unfinished(self) -> int:
        """How many bytes there are of an unfinished line or frame."""
        return self._now.unfinished

    def receive(self, arena: Arena) -> int:
        """Read once, and decide if that can be done now; otherwise as the others do it."""
        data = self.sock.recv(self._read)
        if not data:
            return 0
        start = self._start + data
        match detect(start):
            case None:
                self._start = start
                self._lines.begin(start)
            case Protocol.LINES:
                self._lines.receive_into = BytesIO(data).readinto
                self._lines.receive(arena)
                self._lines.receive_into = self.sock.recv_into
                self._become(self._lines)
            case Protocol.RELP:
                self._lines.begin(b"")
                self._now = relp = self._relp()
                self._become(relp)
                relp.take(memoryview(start), arena)
        return len(data)

    def to_lines(self, rest: bytes) -> tuple[LineConnection, bytes]:
        """Take it for lines, as nothing comes behind `rest`; give what of that is to be read.

        If it was RELP, nothing is: what was never acknowledged comes again.
        """
        if detect(self._start + rest) is Protocol.RELP:
            self._lines.drop("stop")
            rest = b""
        return self._lines, rest

    def finish(self, arena: Arena) -> None:
        """At the end of the stream."""
        self._now.finish(arena)

    def split(self, arena: Arena) -> None:
        """Write what there is as a line; so lines it is."""
        self._become(self._lines)
        self._lines.split(arena)

    def drop(self, reason: str) -> None:
        """Drop what there is."""
        self._now.drop(reason)
