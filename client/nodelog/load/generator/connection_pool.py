"""The sockets of one process: opened, watched, lost, opened again, and ended so that no line is torn.

One epoll, nothing blocks: a collector that is away must not stop the lines to one that is there, and a
connection that does not take any more must not stop the others. What is said over a socket is the
connection's affair.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodelog.load.generator.connection import Connection

CONNECT_SECONDS: Final = 5.0


class Links:
    """The sockets of these connections."""

    def __init__(self, address: tuple[str, int], connections: list[Connection]) -> None:
        self.unfinished = {connection.number for connection in connections}
        """Those that are not done."""
        self.errors: Counter[str] = Counter()
        self.made = 0  # connections
        self.reconnects = 0  # connections that follow one that failed, or that the collector ended
        self._follows_share: set[int] = set()  # connections that follow one by plan
        self.epoll = select.epoll()
        self._connections = connections
        self._address = address
        self._family = socket.AF_UNSPEC
        self._target: tuple[str, int] = address
        self._by_fd: dict[int, Connection] = {}
        self._retries: list[tuple[float, int, Connection]] = []
        self._ending = False

    @property
    def open(self) -> int:
        """How many connections have a socket."""
        return len(self._by_fd)

    @property
    def is_busy(self) -> bool:
        """True if a socket is open, or will be."""
        return bool(self._by_fd or self._retries)

    @property
    def next_retry(self) -> float:
        """When something is to be done without an event, on time.monotonic."""
        return self._retries[0][0] if self._retries else float("inf")

    def open_all(self) -> None:
        """Connect each of them. Raises OSError: a load that cannot begin is of no use."""
        for connection in self._connections:
            sock = socket.create_connection(self._address, CONNECT_SECONDS)
            self._family, self._target = sock.family, sock.getpeername()
            connection.sock = sock
            connection.greet()
            connection.await_welcome()
            self._add(connection, sock)
            self.made += 1

    def ready(self, seconds: float) -> list[Connection]:
        """Wait that long at most; give the connections that can take more, after seeing to the others."""
        events = self.epoll.poll(seconds)
        if self._retries:
            self._retry(time.monotonic())
        by_fd = self._by_fd
        ready = [by_fd[fd] for fd, event in events if event == select.EPOLLOUT and not by_fd[fd].connecting]
        if len(ready) < len(events):
            fine = {connection.number for connection in ready}
            for fd, event in events:
                if (connection := by_fd[fd]).number not in fine:
                    self._see_to(connection, event)
                    if connection.is_acknowledged and connection.sock:
                        ready.append(connection)  # it may send what it could not
        return ready

    def watch(self, connection: Connection) -> None:
        """Wait on a connection for what it needs now."""
        if connection.sock and connection.watched != (interest := connection.interest):
            connection.watched = interest
            self.epoll.modify(connection.sock, interest)

    def lose(self, connection: Connection, error: OSError) -> None:
        """Give up a socket that failed; the connection goes on over another one, a little later."""
        self.errors[os.strerror(error.errno) if error.errno else str(error)] += 1
        self._close(connection)

    def finish(self, connection: Connection) -> None:
        """Say that no more comes over this socket.

        At the end of the load, or of its share of lines, it waits for the collector to have read it all, else
        another one follows.
        """
        if connection.is_done:
            self.unfinished.discard(connection.number)
        if connection.sock is None or connection.ended:
            return
        if connection.connecting:  # what is said now would come before the greeting
            self._close(connection)
            return
        try:
            connection.end()
        except OSError as error:
            self.lose(connection, error)
            return
        if self._ending or connection.is_done or connection.has_had_its_share:
            connection.ended = True
            self.watch(connection)
        else:
            self._close(connection)

    def end_all(self, *, give_up: bool) -> None:
        """End each connection, as soon as it is through.

        If we give up nothing is opened any more; what is closed from now on stays closed.
        """
        self._ending = give_up
        self._retries = [retry for retry in self._retries if not (give_up or retry[-1].is_done)]
        heapq.heapify(self._retries)
        for connection in self._connections:
            if connection.is_through:
                self.finish(connection)
            elif give_up and connection.connecting:
                self._close(connection)
            else:
                self.watch(connection)

    def close(self) -> None:
        """Close what is open."""
        for connection in list(self._by_fd.values()):
            self._close(connection)
        self.epoll.close()

    def _see_to(self, connection: Connection, event: int) -> None:
        try:
            if connection.connecting:
                self._connected(connection)
            elif connection.hear(event):
                self._close(connection)
        except OSError as error:
            self.lose(connection, error)
        if connection.sock is None:
            return
        if connection.is_through and not connection.ended:
            self.finish(connection)
        else:
            self.watch(connection)

    def _connected(self, connection: Connection) -> None:
        assert connection.sock is not None  # noqa: S101 (it is watched, so it is open)
        if code := connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        self.made += 1
        self.reconnects += connection.number not in self._follows_share
        connection.connecting = False
        connection.greet()

    def _close(self, connection: Connection) -> None:
        assert connection.sock is not None  # noqa: S101 (as above)
        del self._by_fd[connection.sock.fileno()]
        connection.sock.close()  # which ends its being watched
        by_plan = connection.ended and connection.has_had_its_share
        (self._follows_share.add if by_plan else self._follows_share.discard)(connection.number)
        wait = connection.disconnected()
        if connection.is_done:
            self.unfinished.discard(connection.number)
        elif not self._ending:
            heapq.heappush(self._retries, (time.monotonic() + wait, connection.number, connection))

    def _retry(self, now: float) -> None:
        while self._retries and self._retries[0][0] <= now:
            connection = heapq.heappop(self._retries)[2]
            sock = socket.socket(self._family, socket.SOCK_STREAM)
            sock.setblocking(False)
            code = sock.connect_ex(self._target)
            connection.connecting = True
            self._add(connection, sock)
            if code not in (0, errno.EINPROGRESS):
                self.lose(connection, OSError(code, os.strerror(code)))

    def _add(self, connection: Connection, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or one line would wait for another's ack
        connection.sock = sock
        self._by_fd[sock.fileno()] = connection
        connection.watched = connection.interest
        self.epoll.register(sock, connection.watched)
