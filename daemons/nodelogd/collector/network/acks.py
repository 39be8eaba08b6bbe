"""Acknowledges RELP frames once their lines are stored, and closes connections that are done or broken."""

from __future__ import annotations

import logging
import select
from collections import deque
from typing import TYPE_CHECKING

from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.service.rate_limited_log import RateLimitedLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nodelogd.collector.network.connections import Connection, Connections
    from nodelogd.collector.network.relp_clients import RelpClients

log = logging.getLogger(__name__)

REPEAT_LOG_AFTER = 60.0  # seconds; any peer can break the protocol as often as it likes


class Acks:
    """Sends responses from the event loop. `queued` holds the receipts of stored batches to be answered."""

    def __init__(
        self, connections: Connections, clients: RelpClients[RelpConnection], *, max_unsent: int
    ) -> None:
        """Close a connection rather than hold more than `max_unsent` bytes that the sockets do not accept."""
        self._connections = connections
        self._clients = clients
        self._max_unsent = max_unsent
        self._rate_limited_log = RateLimitedLog(log, REPEAT_LOG_AFTER)
        self.queued: deque[Mapping[RelpConnection, int]] = deque()

    def queue(self, receipts: Mapping[RelpConnection, int]) -> None:
        """Queue the responses of a stored batch: their number per connection. Thread-safe."""
        self.queued.append(receipts)

    def send(self) -> None:
        """Send the queued responses."""
        while self.queued:
            for connection, count in self.queued.popleft().items():
                connection.send_responses(count)
                self.close_or_rearm(connection)

    def handle_event(self, connection: Connection, event: int) -> bool:
        """Send unsent responses if the socket is writable; return True if it is to be read, too."""
        if event & select.EPOLLOUT and isinstance(connection, RelpConnection):
            connection.flush()
            self.close_or_rearm(connection)
        return bool(event & ~select.EPOLLOUT) and connection in self._connections

    def close_or_rearm(self, connection: Connection) -> None:
        """Close a RELP connection that broke the protocol or is done; otherwise update its epoll events."""
        if not isinstance(connection, RelpConnection) or connection not in self._connections:
            return
        connections = self._connections
        if connection.protocol_error:
            text = "%s broke the protocol and was cut off: %s"
            name, error = connection.client_name, connection.protocol_error
            self._rate_limited_log.log(logging.WARNING, "fault", text, name, error)
            connections.close(connection, "protocol")
        elif connection.is_broken:
            connections.close(connection, "reset")
        elif connection.is_done:
            connections.close(connection, "end of stream")
        elif not connections.accepts_relp:
            connections.close(connection, "stop")
        elif connection.unsent and self._clients.unsent > self._max_unsent:
            connections.close(connection, "buffer")
        elif (wanted := connection.wanted_events) != connection.watched_events:
            connections.epoll.modify(connection.sock.fileno(), wanted)
            connection.watched_events = wanted
