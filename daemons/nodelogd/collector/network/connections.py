"""The open connections: how much unfinished data they hold together, and how they are closed.

All are in one epoll set, and the event loop watches that set as a single descriptor: to stop reading from
ten thousand connections, it stops watching one descriptor. (asyncio's transports and protocols used 5 to
20 % more CPU per read, and start reading whether there is room or not.)
"""

from __future__ import annotations

import select
import socket
import struct
import time
from asyncio import Event
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.collector.network.pacing import Pacing
from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.framing.framed_connection import FramedConnection
    from nodelogd.collector.network.line_connection import LineConnection
    from nodelogd.collector.network.protocol_detection import UndecidedConnection
    from nodelogd.collector.network.relp_clients import RelpClients

    Lines = LineConnection | FramedConnection
    Connection = Lines | RelpConnection | UndecidedConnection

LINGER_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends a reset


class Connections:
    """A set of open connections. A caller that changes the `unfinished` of one must update the sum here."""

    def __init__(self, metrics: Metrics, clients: RelpClients[RelpConnection]) -> None:
        self._metrics = metrics
        self.epoll = select.epoll()
        self.pacing = Pacing()
        self.by_descriptor: dict[int, Connection] = {}
        self.unfinished = 0  # bytes, of all connections
        self.accepts_relp = True  # False at shutdown: a connection that turns out to be RELP is closed
        self.all_closed = Event()
        self.on_drop: Callable[[Connection, str], None] = lambda *_: None  # before a line is dropped
        self.on_closed: Callable[[], None] = lambda: None  # called for every connection that has ended
        clients.on_replaced = self._close_replaced

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self.by_descriptor)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over the connections open now. They may be closed during the iteration."""
        return iter([*self.by_descriptor.values()])

    def __contains__(self, connection: Connection) -> bool:
        """Return True if the connection is still in the set: another one may have its descriptor by now."""
        return self.by_descriptor.get(connection.sock.fileno()) is connection

    def add(self, connection: Connection) -> None:
        """Add a connection, which is read from now on. Raises OSError; then the connection must be closed."""
        descriptor = connection.sock.fileno()
        self.epoll.register(descriptor, select.EPOLLIN)
        self.pacing.watch_connection(descriptor)
        self.by_descriptor[descriptor] = connection
        connection.last_read = time.monotonic()
        self.all_closed.clear()

    def replace(self, connection: LineConnection | RelpConnection) -> None:
        """Replace an undecided connection by one of the detected protocol, on the same socket."""
        connection.last_read = time.monotonic()
        self.by_descriptor[connection.sock.fileno()] = connection

    def close(self, connection: Connection, reason: str) -> None:
        """Close a connection. An unfinished line or frame is dropped."""
        self._drop_and_detach(connection, reason)
        self.close_detached(connection, reason)

    def drop_unfinished(self, connection: Connection, reason: str) -> None:
        """Drop the unfinished line or frame of a connection, and report it."""
        if connection.unfinished:
            self.on_drop(connection, reason)
            connection.drop_unfinished(reason)

    def close_detached(self, connection: Connection, reason: str) -> None:
        """Close a connection that is not in the set any more."""
        if isinstance(connection, RelpConnection):
            connection.release()
        connection.sock.close()
        self.count_closed(reason)

    def count_closed(self, reason: str) -> None:
        """Count a connection that has ended."""
        self._metrics.closed.labels(reason).inc()
        self.on_closed()

    def detach_relp(self) -> list[RelpConnection]:
        """Remove and return the RELP connections: what is not read is not acknowledged, and is sent again.

        Connections that turn out to be RELP later are closed.
        """
        self.accepts_relp = False
        detached = [connection for connection in self if isinstance(connection, RelpConnection)]
        for connection in detached:
            self._drop_and_detach(connection, "stop")
        return detached

    def detach_lines(self) -> list[Lines | UndecidedConnection]:
        """Remove and return the other connections, with their unfinished lines. Closing one now resets it."""
        detached = [connection for connection in self if not isinstance(connection, RelpConnection)]
        for connection in detached:
            set_reset_on_close(connection)
            self._detach(connection)
        return detached

    def close_all(self) -> None:
        """Close all remaining connections and the epoll set."""
        for connection in self.detach_relp():
            self.close_detached(connection, "stop")
        for late in self.detach_lines():
            late.sock.close()
        self.epoll.close()
        self.pacing.close()

    def _drop_and_detach(self, connection: Connection, reason: str) -> None:
        self.unfinished -= connection.unfinished
        self.drop_unfinished(connection, reason)
        self._detach(connection)

    def _detach(self, connection: Connection) -> None:
        descriptor = connection.sock.fileno()
        self.epoll.unregister(descriptor)
        del self.by_descriptor[descriptor]
        if not self.by_descriptor:
            self.all_closed.set()

    def _close_replaced(self, connection: RelpConnection) -> None:
        """Close a connection whose stream is on a newer connection now."""
        if connection in self:
            self.close(connection, "replaced")


def set_reset_on_close(connection: Connection) -> None:
    """Make a later close send a reset, so that the peer gets an error."""
    with suppress(OSError):  # the peer closed first
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
