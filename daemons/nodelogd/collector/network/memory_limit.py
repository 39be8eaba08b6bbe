"""Makes room for one more read: in the arena, and in the memory for unfinished lines and frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from nodelogd.collector.network.connections import Connections
    from nodelogd.collector.pipeline.arena_exchange import ArenaExchange


class MemoryLimit:
    """Limits the unfinished lines and frames of all connections together to `limit` bytes."""

    def __init__(self, connections: Connections, exchange: ArenaExchange, limit: int) -> None:
        self._connections = connections
        self._exchange = exchange
        self._arenas = exchange.arenas
        self.limit = limit

    def make_room(self) -> bool:
        """Make room for one more read, however much it brings; False if an arena must come back first."""
        if self._connections.unfinished > self.limit:
            self._split_longest()
        return self._connections.unfinished <= self.limit and self._exchange.ensure_room()

    def _split_longest(self) -> None:
        """Write the longest unfinished lines as they are, until a quarter of the limit is free again.

        Freeing more than the one line that exceeded the limit keeps this rare, however many lines there are.
        A frame cannot be split: its connection is closed with a `serverclose`, which blames no block.
        """
        connections = self._connections
        for connection in sorted(connections, key=lambda c: c.unfinished, reverse=True):
            if connections.unfinished <= self.limit * 3 // 4 or not self._exchange.ensure_room():
                return
            if isinstance(connection, RelpConnection):
                connection.send_server_close()
                connections.close(connection, "buffer")
            else:
                connections.unfinished -= connection.unfinished
                connection.split(self._arenas.current)
