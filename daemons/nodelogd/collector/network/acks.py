"""What RELP connections need beside being read: answers once their lines are stored, and an end in time."""

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

REPEAT_LOG_AFTER = 60.0  # seconds; whoever can connect can break the protocol as often as they like


class Acks:
    """Given by the loop. `stored` is whom nobody has answered yet."""

    def __init__(
        self, connections: Connections, clients: RelpClients[RelpConnection], *, most_unsent: int
    ) -> None:
        """Close a connection rather than hold more than `most_unsent` bytes that no peer takes."""
        self._connections = connections
        self._clients = clients
        self._most_unsent = most_unsent
        self._rate_limited_log = RateLimitedLog(log, REPEAT_LOG_AFTER)
        self.stored: deque[Mapping[RelpConnection, int]] = deque()

    def note_stored(self, receipts: Mapping[RelpConnection, int]) -> None:
        """Note that lines are stored, for so many frames of each connection; from any thread."""
        self.stored.append(receipts)

    def give(self) -> None:
        """Answer the frames whose lines are stored."""
        while self.stored:
            for connection, count in self.stored.popleft().items():
                connection.answer(count)
                self.close_or_rearm(connection)

    def flush_if_writable(self, connection: Connection, event: int) -> bool:
        """Send a peer the answers it has not taken so far; say whether there is something to be read, too."""
        if event & select.EPOLLOUT and isinstance(connection, RelpConnection):
            connection.flush()
            self.close_or_rearm(connection)
        return bool(event & ~select.EPOLLOUT) and connection in self._connections

    def close_or_rearm(self, connection: Connection) -> None:
        """End a connection that has broken the protocol or is done; watch the others for what they need."""
        if not isinstance(connection, RelpConnection) or connection not in self._connections:
            return
        connections = self._connections
        if connection.fault:
            text = "%s broke the protocol and was cut off: %s"
            self._rate_limited_log.log(logging.WARNING, "fault", text, connection.who, connection.fault)
            connections.close(connection, "protocol")
        elif connection.is_broken:
            connections.close(connection, "reset")
        elif connection.is_done:
            connections.close(connection, "end of stream")
        elif not connections.accepts_relp:
            connections.close(connection, "stop")
        elif connection.unsent and self._clients.unsent > self._most_unsent:
            connections.close(connection, "buffer")
        elif (wants := connection.wants) != connection.watched:
            connections.epoll.modify(connection.sock.fileno(), wants)
            connection.watched = wants
