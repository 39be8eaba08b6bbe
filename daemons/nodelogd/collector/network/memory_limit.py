"""Room for what one more read brings: in an arena, and in the memory for unfinished lines and frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.collector.network.relp_connection import RelpConnection

if TYPE_CHECKING:
    from nodelogd.collector.network.connections import Connections
    from nodelogd.collector.pipeline.arena_exchange import Handover


class MemoryLimit:
    """Made by handing arenas over, and by splitting unfinished lines once they take over `limit` bytes."""

    def __init__(self, connections: Connections, handover: Handover, limit: int) -> None:
        """Have as much as the parts have."""
        self._connections = connections
        self._arenas = handover.arenas
        self._handover = handover
        self.limit = limit

    def make_room(self) -> bool:
        """Make room for one more read, whatever it brings; False if the writer has to give back an arena."""
        if self._connections.unfinished > self.limit:
            self._free_memory()
        return self._connections.unfinished <= self.limit and self._handover.has_room()

    def _free_memory(self) -> None:
        """Write the longest unfinished lines as they are, until a quarter of their memory is free again.

        More than the one line that was too much, so that this is seldom done, however many lines there are.
        A frame cannot be written: its connection is closed, and told, so that no block is blamed for it.
        """
        connections = self._connections
        for connection in sorted(connections, key=lambda c: c.unfinished, reverse=True):
            if connections.unfinished <= self.limit * 3 // 4 or not self._handover.has_room():
                return
            if isinstance(connection, RelpConnection):
                connection.send_server_close()
                connections.close(connection, "buffer")
            else:
                connections.unfinished -= connection.unfinished
                connection.split(self._arenas.current)
