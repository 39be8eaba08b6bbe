"""The door: accepts connections up to a limit, beyond which they wait in the kernel's backlog."""

from __future__ import annotations

import asyncio
import errno
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.service.listening_sockets import BACKLOG
from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.connection_factory import ConnectionFactory
    from nodelogd.collector.network.connections import Connections

log = logging.getLogger(__name__)

# Gone before we came to it; Linux hands a new connection's pending network errors out by accept, too.
GONE_ERRORS = {
    errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
}  # fmt: skip
AT_ONCE = 256  # connections accepted in one turn of the loop
REPEAT_LOG_AFTER = 60.0  # seconds; whoever can connect can fill the door as often as they like
RETRY = 1.0  # seconds, after the kernel had no descriptor or no memory for a connection


@dataclass(frozen=True, slots=True)
class ListeningSockets:
    """`detecting` sockets accept lines and RELP, `relp_only` ones speak RELP whatever comes first."""

    detecting: Sequence[socket.socket]
    relp_only: Sequence[socket.socket] = ()


class Listener:
    """Listening sockets whose connections are to be read."""

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
        self._sockets = [*sockets.detecting, *sockets.relp_only]
        self._relp_sockets = frozenset(sockets.relp_only)
        self._connections = connections
        self._factory = factory
        self._metrics = metrics
        self._max = max_connections
        self._watched = False
        self._rate_limited_log = RateLimitedLog(log, REPEAT_LOG_AFTER)
        connections.on_closed = self._on_closed

    def start(self) -> None:
        """Accept from now on."""
        self._watch()

    def close(self) -> None:
        """Accept whoever is connected already, as far as the kernel knows, then accept nobody any more."""
        self._unwatch()
        for sock in self._sockets:
            for _ in range(BACKLOG):  # and not for ever, if others keep coming
                if not self._accept(sock):
                    break
            sock.close()
        self._sockets.clear()

    def _on_readable(self, sock: socket.socket) -> None:
        if self._is_full():
            self._unwatch()
            self._metrics.waiting.set(1)
            text = "all %d connections of --max-connections are open; others wait"
            self._rate_limited_log.log(logging.WARNING, "full", text, self._max)
            return
        for _ in range(AT_ONCE):
            if not self._accept(sock) or self._is_full():
                return

    def _is_full(self) -> bool:
        return len(self._connections) >= self._max

    def _accept(self, sock: socket.socket) -> bool:
        try:
            connection, address = sock.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            return error.errno in GONE_ERRORS or self._refuse(error)
        connection.setblocking(False)
        try:
            self._connections.add(
                self._factory.create(connection, address, relp_only=sock in self._relp_sockets)
            )
        except OSError as error:  # no memory or no watch for it in the kernel
            connection.close()
            return self._refuse(error)
        self._metrics.accepted.inc()
        self._metrics.connections.set(len(self._connections))
        return True

    def _refuse(self, error: OSError) -> bool:
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
        if not self._watched:
            self._watched = True
            self._metrics.waiting.set(0)
            for sock in self._sockets:
                self._loop.add_reader(sock.fileno(), self._on_readable, sock)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
