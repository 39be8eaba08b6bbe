"""Accepts connections up to a limit. Beyond it they wait in the kernel's backlog."""

from __future__ import annotations

import asyncio
import errno
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.service.listening_sockets import BACKLOG
from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.connection_factory import ConnectionFactory
    from nodelogd.collector.network.connections import Connections

log = logging.getLogger(__name__)

# The connection was gone before it was accepted; Linux also reports its pending network errors by accept().
GONE_ERRORS = {
    errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
}  # fmt: skip
ACCEPTS_PER_TURN = 256  # connections accepted per socket in one turn of the event loop
REPEAT_LOG_AFTER = 60.0  # seconds; any peer can reach the limit as often as it likes
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
        connections: Connections,
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
        self._connections = connections
        self._factory = factory
        self._metrics = metrics
        self._max_connections = max_connections
        self._is_watching = False
        self._rate_limited_log = RateLimitedLog(log, REPEAT_LOG_AFTER)
        connections.on_closed = self._on_closed

    def start(self) -> None:
        """Accept connections from now on."""
        self._watch()

    def close(self) -> None:
        """Accept the connections that the kernel has already established, then close the sockets."""
        self._unwatch()
        for sock in self._sockets:
            for _ in range(BACKLOG):  # bounded, as new ones may keep coming
                if not self._accept(sock):
                    break
            sock.close()
        self._sockets.clear()

    def _on_readable(self, sock: socket.socket) -> None:
        if self._is_full():
            self._unwatch()
            self._metrics.waiting.set(1)
            text = "all %d connections of --max-connections are open; others wait"
            self._rate_limited_log.log(logging.WARNING, "full", text, self._max_connections)
            return
        for _ in range(ACCEPTS_PER_TURN):
            if not self._accept(sock) or self._is_full():
                return

    def _is_full(self) -> bool:
        return len(self._connections) >= self._max_connections

    def _accept(self, sock: socket.socket) -> bool:
        """Accept one connection; return True if there may be another one to accept."""
        try:
            accepted, address = sock.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            return error.errno in GONE_ERRORS or self._retry_later(error)
        accepted.setblocking(False)
        framing = self._framings.get(sock, Framing.LF)
        is_relp = sock in self._relp_sockets
        connection = self._factory.create(accepted, address, relp_only=is_relp, framing=framing)
        try:
            self._connections.add(connection)
        except OSError as error:  # the kernel has no memory or no epoll watch for it
            accepted.close()
            return self._retry_later(error)
        self._metrics.accepted.inc()
        self._metrics.connections.set(len(self._connections))
        return True

    def _retry_later(self, error: OSError) -> bool:
        text = "cannot accept a connection: %s; it waits, retrying every %g s"
        self._rate_limited_log.log(logging.ERROR, str(error), text, error, RETRY)
        self._unwatch()
        self._loop.call_later(RETRY, self._watch)
        return False

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

    def _unwatch(self) -> None:
        if self._is_watching:
            self._is_watching = False
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
