"""The sockets of one process: opened, watched, lost, opened again, and ended so that no line is torn.

One epoll, nothing blocks: a collector that is away must not stop the lines to one that is there, and a
connection that does not take any more must not stop the others. The collector's end of stream (FIN) is
looked for, as it announces its leaving: the line under way is finished, the next goes over another socket.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import socket
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodelog.load.connection import Connection

IDLE: Final = select.EPOLLRDHUP
OUT: Final = select.EPOLLOUT | IDLE
_ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
CONNECT_SECONDS: Final = 5.0


class Links:
    """The sockets of these connections. `interest` is what each is watched for: OUT or IDLE."""

    def __init__(self, address: tuple[str, int], interest: int) -> None:
        self.errors: Counter[str] = Counter()
        self.reconnects = 0
        self.epoll = select.epoll()
        self._interest = interest
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
    def next_retry(self) -> float:
        """When something is to be done without an event, on time.monotonic."""
        return self._retries[0][0] if self._retries else float("inf")

    def open_all(self, connections: list[Connection]) -> None:
        """Connect each of them. Raises OSError: a load that cannot begin is of no use."""
        for connection in connections:
            sock = socket.create_connection(self._address, CONNECT_SECONDS)
            self._family, self._target = sock.family, sock.getpeername()
            self._watch(connection, sock, self._interest)

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
        return ready

    def watch(self, connection: Connection, interest: int) -> None:
        """Wait for other things on a connection."""
        if connection.sock:
            self.epoll.modify(connection.sock, interest)

    def lose(self, connection: Connection, error: OSError) -> None:
        """Give up a socket that failed; the connection goes on over another one, a little later."""
        self.errors[os.strerror(error.errno) if error.errno else str(error)] += 1
        self._close(connection)

    def finish(self, connection: Connection) -> None:
        """Say that no more comes over this socket.

        At the end of the load it waits for the collector to have read it all, else another one follows.
        """
        if connection.sock is None:
            return
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.lose(connection, error)
            return
        if self._ending or connection.is_done:
            connection.ended = True
            self.epoll.modify(connection.sock, select.EPOLLIN | IDLE)
        else:
            self._close(connection)

    def end_all(self) -> None:
        """Open nothing any more; what is closed from now on stays closed."""
        self._ending = True
        self._retries.clear()
        for connection in list(self._by_fd.values()):
            if connection.connecting:
                self._close(connection)

    def close(self) -> None:
        """Close what is open."""
        for connection in list(self._by_fd.values()):
            self._close(connection)
        self.epoll.close()

    def _see_to(self, connection: Connection, event: int) -> None:
        assert connection.sock is not None  # noqa: S101 (it is watched, so it is open)
        code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.lose(connection, OSError(code, os.strerror(code)))
        elif connection.connecting:
            self.reconnects += 1
            connection.connecting = False
            self.epoll.modify(connection.sock, OUT)
        elif not event & _ENDED:
            with suppress(OSError):
                connection.sock.recv(65536)  # what it says is of no interest
        elif connection.ended:
            self._close(connection)
        else:
            connection.leaving = True
            if connection.is_between_lines:
                self.finish(connection)
            else:
                self.epoll.modify(connection.sock, select.EPOLLOUT)

    def _close(self, connection: Connection) -> None:
        assert connection.sock is not None  # noqa: S101 (as above)
        del self._by_fd[connection.sock.fileno()]
        connection.sock.close()  # which ends its being watched
        wait = connection.disconnected()
        if not self._ending and not connection.is_done:
            heapq.heappush(self._retries, (time.monotonic() + wait, connection.number, connection))

    def _retry(self, now: float) -> None:
        while self._retries and self._retries[0][0] <= now:
            connection = heapq.heappop(self._retries)[2]
            sock = socket.socket(self._family, socket.SOCK_STREAM)
            sock.setblocking(False)
            code = sock.connect_ex(self._target)
            connection.connecting = True
            self._watch(connection, sock, select.EPOLLOUT)
            if code not in (0, errno.EINPROGRESS):
                self.lose(connection, OSError(code, os.strerror(code)))

    def _watch(self, connection: Connection, sock: socket.socket, interest: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or one line would wait for another's ack
        connection.sock = sock
        self._by_fd[sock.fileno()] = connection
        self.epoll.register(sock, interest)
