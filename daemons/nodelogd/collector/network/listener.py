"""Accepts connections up to a limit. Beyond it they wait in the kernel's backlog."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nodelog.wire.sniffing import Protocol
from nodelogd.collector.network.short_connections import AcceptedConnection, ShortConnections
from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.connection_factory import ConnectionFactory
    from nodelogd.collector.network.framing.decoders import Framing
    from nodelogd.collector.network.reader import Reader

log = logging.getLogger(__name__)

# The connection was gone before it was accepted; Linux also reports its pending network errors by accept().
GONE_ERRORS = {
    errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
}  # fmt: skip
ACCEPTS_PER_TURN = 256  # connections accepted per socket in one turn of the event loop
REPEAT_LOG_AFTER = 60.0  # seconds; any peer can reach the limit as often as it likes
MAX_LAST_SECONDS = 1.0  # spent on accepting what waits when the sockets are closed
RETRY = 1.0  # seconds, after the kernel had no descriptor or no memory for a connection


@dataclass(frozen=True, slots=True)
class ListeningSockets:
    """Sockets by what they accept: lines and RELP, or RELP only, whatever a connection begins with."""

    lines_and_relp: Sequence[socket.socket]
    relp_only: Sequence[socket.socket] = ()
    framings: Mapping[socket.socket, Framing] = field(default_factory=dict)  # of those that do not take LF


class Listener:
    """Accepts connections and adds them to those that are read."""

    def __init__(
        self,
        sockets: ListeningSockets,
        reader: Reader,
        factory: ConnectionFactory,
        metrics: Metrics,
        *,
        max_connections: int,
    ) -> None:
        """Accept nothing until `start`."""
        self._loop = asyncio.get_running_loop()
        self._sockets = [*sockets.lines_and_relp, *sockets.relp_only]
        self._relp_sockets = frozenset(sockets.relp_only)
        self._framings = sockets.framings
        self._reader = reader
        self._connections = reader.connections
        self._short_connections = ShortConnections(reader, factory.limits, metrics)
        self._factory = factory
        self._metrics = metrics
        self._max_connections = max_connections
        self._is_watching = False
        self._accepted = 0  # connections so far
        self._rate_limited_log = RateLimitedLog(log, REPEAT_LOG_AFTER)
        self._connections.on_closed = self._on_closed

    def start(self) -> None:
        """Accept connections from now on."""
        self._watch()

    def close(self) -> None:
        """Accept the connections that the kernel has already established, then close the sockets."""
        self._unwatch()
        sockets, self._sockets = self._sockets, []  # so that the end of a connection watches none of them
        for sock in sockets:
            end = time.monotonic() + MAX_LAST_SECONDS  # as new ones may keep coming
            while self._accept_and_serve(sock, ACCEPTS_PER_TURN) and time.monotonic() < end:
                pass
            sock.close()

    def _on_readable(self, sock: socket.socket) -> None:
        if self._is_full():
            self._unwatch()
            self._metrics.waiting.set(1)
            text = "all %d connections of --max-connections are open; others wait"
            self._rate_limited_log.log(logging.WARNING, "full", text, self._max_connections)
            return
        free = self._max_connections - len(self._connections)
        self._accept_and_serve(sock, min(ACCEPTS_PER_TURN, free))

    def _is_full(self) -> bool:
        return len(self._connections) >= self._max_connections

    def _accept_and_serve(self, sock: socket.socket, size: int) -> bool:
        """Accept up to `size` connections and serve them; return True if there were any."""
        before = self._accepted
        if sock in self._relp_sockets:
            for connection in self._accept(sock, size):
                connection.protocol = Protocol.RELP
                self._keep_open(connection)
        elif sock in self._framings:
            for connection in self._accept(sock, size):
                connection.framing = self._framings[sock]
                self._keep_open(connection)
        else:
            self._short_connections.serve(self._accept(sock, size), self._keep_open)
        count = self._accepted - before
        if count:
            self._metrics.accepted.inc(count)
        return count > 0

    def _accept(self, sock: socket.socket, size: int) -> Iterator[AcceptedConnection]:
        """Accept up to `size` connections, one whenever the next is asked for."""
        for _ in range(size):
            try:
                descriptor, address = sock._accept()  # type: ignore[attr-defined] # noqa: SLF001 (see below)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in GONE_ERRORS:
                    continue
                self._retry_later(error, "cannot accept a connection: %s; it waits, retrying every %g s")
                return
            # The public accept() also makes a socket object, which takes as long as all the rest of this.
            os.set_blocking(descriptor, False)
            self._accepted += 1
            yield AcceptedConnection(descriptor, address)

    def _keep_open(self, accepted: AcceptedConnection) -> None:
        """Read a connection from now on whenever it is readable, after what was read of it so far."""
        connection = self._factory.create(accepted)
        try:
            self._connections.add(connection)
        except OSError as error:  # the kernel has no memory or no epoll watch for it
            self._connections.close_detached(connection, "no memory")
            self._metrics.dropped.labels("no memory").inc(accepted.unfinished)
            self._retry_later(error, "cannot watch a connection: %s; it was closed, accepting again in %g s")
            return
        self._metrics.connections.set(len(self._connections))
        for data in accepted.rest:
            self._reader.feed(accepted.descriptor, data)

    def _retry_later(self, error: OSError, text: str) -> None:
        self._rate_limited_log.log(logging.ERROR, str(error), text, error, RETRY)
        self._unwatch()
        self._loop.call_later(RETRY, self._watch)

    def _on_closed(self) -> None:
        self._metrics.connections.set(len(self._connections))
        if not self._is_full():
            self._watch()

    def _watch(self) -> None:
        if not self._is_watching:
            self._is_watching = True
            self._metrics.waiting.set(0)
            for sock in self._sockets:
                self._loop.add_reader(sock.fileno(), self._on_readable, sock)
                self._connections.pacing.watch_listener(sock.fileno())

    def _unwatch(self) -> None:
        if self._is_watching:
            self._is_watching = False
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
                self._connections.pacing.unwatch_listener(sock.fileno())
