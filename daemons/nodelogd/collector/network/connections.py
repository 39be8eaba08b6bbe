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

from nodelogd.collector.network.relp_connection import Relp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.line_connection import Lines
    from nodelogd.collector.network.protocol_detection import Newcomer
    from nodelogd.collector.network.relp_clients import Clients

    Connection = Lines | Relp | Newcomer

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; to close is then to reset


class Connections:
    """A set of them. Whoever changes what one of them has `unfinished` keeps the sum of it."""

    def __init__(self, metrics: Metrics, clients: Clients) -> None:
        """Begin with none."""
        self._metrics = metrics
        self.epoll = select.epoll()
        self.by_descriptor: dict[int, Connection] = {}
        self.unfinished = 0  # bytes, of all of them
        self.takes_relp = True  # False: whoever turns out to speak it comes too late
        self.emptied = Event()
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
        self.emptied.clear()

    def become(self, connection: Lines | Relp) -> None:
        """Take one for what it turned out to be."""
        connection.active = time.monotonic()
        self.by_descriptor[connection.sock.fileno()] = connection

    def close(self, connection: Connection, reason: str) -> None:
        """Let go of one; its unfinished line, if it still has one, is dropped."""
        self._drop(connection, reason)
        self.let_go(connection, reason)

    def let_go(self, connection: Connection, reason: str) -> None:
        """Close one that is detached."""
        if isinstance(connection, Relp):
            connection.leave()
        connection.sock.close()
        self.note_end(reason)

    def note_end(self, reason: str) -> None:
        """Count one that has ended."""
        self._metrics.closed.labels(reason).inc()
        self.on_closed()

    def detach_relp(self) -> list[Relp]:
        """Stop reading those of RELP: what is unread is unanswered, and comes again.

        Whoever turns out to be one later is closed.
        """
        self.takes_relp = False
        found = [connection for connection in self if isinstance(connection, Relp)]
        for connection in found:
            self._drop(connection, "stop")
        return found

    def detach_lines(self) -> list[Lines | Newcomer]:
        """Stop reading the others, with their unfinished lines; from now on to close one is to reset it."""
        late = [connection for connection in self if not isinstance(connection, Relp)]
        for connection in late:
            reset_on_close(connection)
            self._detach(connection)
        return late

    def dispose(self) -> None:
        """Let go of all that is left."""
        for connection in self.detach_relp():
            self.let_go(connection, "stop")
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
            self.emptied.set()

    def _replace(self, connection: Relp) -> None:
        """Close one whose stream is carried by another one now."""
        if connection in self:
            self.close(connection, "replaced")


def reset_on_close(connection: Connection) -> None:
    """Have the peer of a connection learn by an error that it was closed."""
    with suppress(OSError):  # its peer was faster
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
