"""The connections of one process: their sockets are connected, polled, reconnected, and closed in order.

There is one epoll, and nothing blocks: a collector that is away must not stop the lines to one that is there,
and a connection that takes no more must not stop the others. What is sent and received is up to each
connection.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nodelog.shipping.network.name_lookup import NameLookup, connect_to

if TYPE_CHECKING:
    from nodelog.load.generator.connection import Connection

CONNECT_SECONDS: Final = 5.0
LOOKUP_SECONDS: Final = 30.0
"""The time for the name server: a resolver asks it several times."""


class ConnectionPool:
    """All connections of a process and their sockets."""

    def __init__(self, address: tuple[str, int], connections: list[Connection]) -> None:
        self.unfinished = {connection.number for connection in connections}
        """The numbers of connections that are not done."""
        self.errors: Counter[str] = Counter()
        self.made = 0  # connections
        self.reconnects = 0  # connections that follow one that failed, or that the collector ended
        self._follows_share: set[int] = set()  # connections that follow one by plan
        self.epoll = select.epoll()
        self._connections = connections
        self._address = address
        self._family = socket.AF_UNSPEC
        self._target: Any = address
        self._by_fd: dict[int, Connection] = {}
        self._retries: list[tuple[float, int, Connection]] = []
        self._gives_up = False

    @property
    def open_count(self) -> int:
        """Number of connections that have a socket."""
        return len(self._by_fd)

    @property
    def is_busy(self) -> bool:
        """Whether a socket is open or will be opened."""
        return bool(self._by_fd or self._retries)

    @property
    def next_retry_at(self) -> float:
        """When the next reconnect is due, by time.monotonic; infinity if none is."""
        return self._retries[0][0] if self._retries else float("inf")

    def connect_all(self) -> None:
        """Connect all of them. Raises OSError: a load that cannot start is of no use."""
        endpoints = NameLookup([self._address[0]], self._address[1], lambda: None).wait_for_result(
            LOOKUP_SECONDS
        )
        for connection in self._connections:
            sock = connect_to(endpoints, CONNECT_SECONDS)
            self._family, self._target = sock.family, sock.getpeername()
            endpoints = [(self._family, self._target)]
            connection.sock = sock
            connection.start_session()
            connection.wait_for_session()
            self._register(connection, sock)
            self.made += 1

    def poll(self, seconds: float) -> list[Connection]:
        """Wait up to `seconds`, handle other events, and return the connections that can send more."""
        events = self.epoll.poll(seconds)
        if self._retries:
            self._reconnect(time.monotonic())
        by_fd = self._by_fd
        out = select.EPOLLOUT
        ready = [by_fd[fd] for fd, event in events if event == out and not by_fd[fd].is_connecting]
        if len(ready) < len(events):
            ready_numbers = {connection.number for connection in ready}
            for fd, event in events:
                if (connection := by_fd[fd]).number not in ready_numbers:
                    self._handle_events(connection, event)
                    if connection.has_acks and connection.sock:
                        ready.append(connection)  # an acknowledgement may have made room in its window
        return ready

    def update_events(self, connection: Connection) -> None:
        """Register a connection for the events that it wants now."""
        if connection.sock and connection.registered_events != (events := connection.wanted_events):
            connection.registered_events = events
            self.epoll.modify(connection.sock, events)

    def drop(self, connection: Connection, error: OSError) -> None:
        """Close a socket that failed; the connection continues over another one a little later."""
        self.errors[os.strerror(error.errno) if error.errno else str(error)] += 1
        self._close_socket(connection)

    def finish(self, connection: Connection) -> None:
        """Shut down the sending side of this socket.

        If the connection is done, has sent its share or the load gives up, wait for the collector to close
        its side; otherwise continue over another socket.
        """
        if connection.is_done:
            self.unfinished.discard(connection.number)
        if connection.sock is None or connection.is_closing:
            return
        if connection.is_connecting:  # anything sent now would come before the start of the session
            self._close_socket(connection)
            return
        try:
            connection.close_session()
        except OSError as error:
            self.drop(connection, error)
            return
        if self._gives_up or connection.is_done or connection.has_sent_share:
            connection.is_closing = True
            self.update_events(connection)
        else:
            self._close_socket(connection)

    def finish_all(self, *, give_up: bool) -> None:
        """Finish each connection as soon as it can close.

        With `give_up` nothing is reconnected any more: what is closed from now on stays closed.
        """
        self._gives_up = give_up
        self._retries = [retry for retry in self._retries if not (give_up or retry[-1].is_done)]
        heapq.heapify(self._retries)
        for connection in self._connections:
            if connection.can_close:
                self.finish(connection)
            elif give_up and connection.is_connecting:
                self._close_socket(connection)
            else:
                self.update_events(connection)

    def close(self) -> None:
        """Close all sockets."""
        for connection in list(self._by_fd.values()):
            self._close_socket(connection)
        self.epoll.close()

    def _handle_events(self, connection: Connection, events: int) -> None:
        try:
            if connection.is_connecting:
                self._complete_connect(connection)
            elif connection.receive(events):
                self._close_socket(connection)
        except OSError as error:
            self.drop(connection, error)
        if connection.sock is None:
            return
        if connection.can_close and not connection.is_closing:
            self.finish(connection)
        else:
            self.update_events(connection)

    def _complete_connect(self, connection: Connection) -> None:
        assert connection.sock is not None  # noqa: S101 (its socket is polled, so it is open)
        if code := connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        self.made += 1
        self.reconnects += connection.number not in self._follows_share
        connection.is_connecting = False
        connection.start_session()

    def _close_socket(self, connection: Connection) -> None:
        assert connection.sock is not None  # noqa: S101 (as above)
        del self._by_fd[connection.sock.fileno()]
        connection.sock.close()  # which also removes it from the epoll
        by_plan = connection.is_closing and connection.has_sent_share
        (self._follows_share.add if by_plan else self._follows_share.discard)(connection.number)
        wait = connection.handle_disconnect()
        if connection.is_done:
            self.unfinished.discard(connection.number)
        elif not self._gives_up:
            heapq.heappush(self._retries, (time.monotonic() + wait, connection.number, connection))

    def _reconnect(self, now: float) -> None:
        """Start the reconnects that are due."""
        while self._retries and self._retries[0][0] <= now:
            connection = heapq.heappop(self._retries)[2]
            sock = socket.socket(self._family, socket.SOCK_STREAM)
            sock.setblocking(False)
            code = sock.connect_ex(self._target)
            connection.is_connecting = True
            self._register(connection, sock)
            if code not in (0, errno.EINPROGRESS):
                self.drop(connection, OSError(code, os.strerror(code)))

    def _register(self, connection: Connection, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or a line would wait for another's ack
        connection.sock = sock
        self._by_fd[sock.fileno()] = connection
        connection.registered_events = connection.wanted_events
        self.epoll.register(sock, connection.registered_events)
