"""The open connections: which there are, how much there is of unfinished lines and frames, and how they end.

All are in one epoll set of ours, and the event loop watches that set as a single descriptor: to stop
reading from ten thousand connections is to stop watching one descriptor. (Transports and protocols of the
event loop measured 5 to 20 % more CPU per read, and start reading whether there is room or not.)
"""

from __future__ import annotations

import select
import socket
import struct
import time
from asyncio import Event
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.line_connection import LineConnection
    from nodelogd.collector.network.protocol_detection import UndecidedConnection
    from nodelogd.collector.network.relp_clients import RelpClients

    Connection = LineConnection | RelpConnection | UndecidedConnection

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; to close is then to reset


class Connections:
    """A set of them. Whoever changes what one of them has `unfinished` keeps the sum of it."""

    def __init__(self, metrics: Metrics, clients: RelpClients[RelpConnection]) -> None:
        """Begin with none."""
        self._metrics = metrics
        self.epoll = select.epoll()
        self.by_descriptor: dict[int, Connection] = {}
        self.unfinished = 0  # bytes, of all of them
        self.accepts_relp = True  # False: whoever turns out to speak it comes too late
        self.all_closed = Event()
        self.on_closed: Callable[[], None] = lambda: None  # hears of every connection that ended
        clients.on_replaced = self._replace

    def __len__(self) -> int:
        """Say how many there are."""
        return len(self.by_descriptor)

    def __iter__(self) -> Iterator[Connection]:
        """List those that are there now; they may be closed meanwhile."""
        return iter([*self.by_descriptor.values()])

    def __contains__(self, connection: Connection) -> bool:
        """Say whether it is still one of them: its descriptor may be another's by now."""
        return self.by_descriptor.get(connection.sock.fileno()) is connection

    def add(self, connection: Connection) -> None:
        """Read from this one, too, whenever there is room. Raises OSError."""
        descriptor = connection.sock.fileno()
        self.epoll.register(descriptor, select.EPOLLIN)
        self.by_descriptor[descriptor] = connection
        connection.active = time.monotonic()
        self.all_closed.clear()

    def become(self, connection: LineConnection | RelpConnection) -> None:
        """Take one for what it turned out to be."""
        connection.active = time.monotonic()
        self.by_descriptor[connection.sock.fileno()] = connection

    def close(self, connection: Connection, reason: str) -> None:
        """Let go of one; its unfinished line, if it still has one, is dropped."""
        self._drop(connection, reason)
        self.close_detached(connection, reason)

    def close_detached(self, connection: Connection, reason: str) -> None:
        """Close one that is detached."""
        if isinstance(connection, RelpConnection):
            connection.leave()
        connection.sock.close()
        self.count_closed(reason)

    def count_closed(self, reason: str) -> None:
        """Count one that has ended."""
        self._metrics.closed.labels(reason).inc()
        self.on_closed()

    def detach_relp(self) -> list[RelpConnection]:
        """Stop reading those of RELP: what is unread is unanswered, and comes again.

        Whoever turns out to be one later is closed.
        """
        self.accepts_relp = False
        found = [connection for connection in self if isinstance(connection, RelpConnection)]
        for connection in found:
            self._drop(connection, "stop")
        return found

    def detach_lines(self) -> list[LineConnection | UndecidedConnection]:
        """Stop reading the others, with their unfinished lines; from now on to close one is to reset it."""
        late = [connection for connection in self if not isinstance(connection, RelpConnection)]
        for connection in late:
            set_reset_on_close(connection)
            self._detach(connection)
        return late

    def close_all(self) -> None:
        """Let go of all that is left."""
        for connection in self.detach_relp():
            self.close_detached(connection, "stop")
        for late in self.detach_lines():
            late.sock.close()
        self.epoll.close()

    def _drop(self, connection: Connection, reason: str) -> None:
        self.unfinished -= connection.unfinished
        connection.drop(reason)
        self._detach(connection)

    def _detach(self, connection: Connection) -> None:
        descriptor = connection.sock.fileno()
        self.epoll.unregister(descriptor)
        del self.by_descriptor[descriptor]
        if not self.by_descriptor:
            self.all_closed.set()

    def _replace(self, connection: RelpConnection) -> None:
        """Close one whose stream is carried by another one now."""
        if connection in self:
            self.close(connection, "replaced")


def set_reset_on_close(connection: Connection) -> None:
    """Have the peer of a connection learn by an error that it was closed."""
    with suppress(OSError):  # its peer was faster
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
