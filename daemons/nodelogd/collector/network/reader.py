"""The loop's side of the collector: reads all connections, hands whole lines to the writer.

A turn is one plain loop over the connections that are readable, and it ends in one hand-over. Reading goes
on as long as there is an arena to read into. When the writer has both, the set of connections is not
watched until one comes back; the senders wait in their kernels.
"""

from __future__ import annotations

import asyncio
import select
import time
from io import BytesIO
from typing import TYPE_CHECKING

from nodelogd.collector.network.pacing import nap
from nodelogd.collector.network.protocol_detection import UndecidedConnection

if TYPE_CHECKING:
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.acks import Acks
    from nodelogd.collector.network.connections import Connection, Connections
    from nodelogd.collector.network.line_connection import LineConnection
    from nodelogd.collector.network.memory_limit import MemoryLimit
    from nodelogd.collector.pipeline.arena import Arena
    from nodelogd.collector.pipeline.arena_exchange import Handover

EVENTS = 512  # connections served in one turn


class Reader:
    """Reads connections into arenas."""

    def __init__(
        self,
        connections: Connections,
        acks: Acks,
        handover: Handover,
        memory_limit: MemoryLimit,
        metrics: Metrics,
    ) -> None:
        """Read nothing until `resume`. `acks` hears of what the writer has stored."""
        self._loop = asyncio.get_running_loop()
        self.connections = connections
        self._acks = acks
        self._handover = handover
        self._arenas = handover.arenas
        self._memory_limit = memory_limit
        self._metrics = metrics
        self._unserved: list[tuple[int, int]] = []  # what epoll said of connections that found no room
        self._rest = 0  # bytes of the connection that is ended just now, not in an arena yet
        self._paused_at: float | None = time.monotonic()  # None while connections are read
        self._ending = False

    @property
    def held(self) -> int:
        """Bytes that were received and not handed to the writer yet."""
        return self.connections.unfinished + self._rest + self._arenas.current.end

    @property
    def is_paused(self) -> bool:
        """True while nothing is read, so that nobody's silence says anything."""
        return self._paused_at is not None

    def resume(self) -> None:
        """Go on, now that there is room; what was gathered meanwhile goes first."""
        self._handover.on_return()
        if self._handover.now() and self._paused_at is not None and not self._ending:
            self.count_pause()
            self._paused_at = None
            self._loop.add_reader(self.connections.epoll.fileno(), self._turn)

    def pause(self) -> None:
        """Stop reading; the senders wait."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()
            self._loop.remove_reader(self.connections.epoll.fileno())

    def count_pause(self) -> None:
        """Count a pause so far."""
        if self._paused_at is not None:
            now = time.monotonic()
            self._metrics.paused.inc(now - self._paused_at)
            self._paused_at = now

    def stop(self) -> None:
        """Stop reading for good."""
        self.pause()
        self._ending = True

    async def drain_detached(
        self, late: LineConnection | UndecidedConnection, rest: bytes, *, ended: bool
    ) -> None:
        """Take what a connection that is detached had sent before it was reset.

        If its peer had not `ended` it, the line it was in the middle of is dropped.
        """
        self.connections.unfinished -= late.unfinished
        connection, rest = late.to_lines(rest) if isinstance(late, UndecidedConnection) else (late, rest)
        connection.receive_into = BytesIO(rest).readinto
        self._metrics.received.inc(len(rest))
        self._rest = len(rest)
        while True:
            await self._handover.roomy()
            count = connection.receive(self._arenas.current)
            if not count:
                break
            self._rest -= count
        if ended:
            connection.finish(self._arenas.current)
        connection.drop("stop")
        self.connections.count_closed("end of stream" if ended else "stop")

    async def flush(self) -> None:
        """Return when the writer has all that was received."""
        await self._handover.flushed()

    def _turn(self) -> None:
        """Read once from each connection that has something, and hand over what came."""
        arena, acks, limit = self._arenas.current, self._acks, self._memory_limit.limit
        connections, by_descriptor = self.connections, self.connections.by_descriptor
        now = time.monotonic()
        reads = received = 0
        ready, self._unserved = self._unserved or connections.epoll.poll(0, EVENTS), []
        for at, (descriptor, event) in enumerate(ready):
            if arena.end >= arena.limit or connections.unfinished > limit:
                if not self._memory_limit.make_room():
                    self._unserved = ready[at:]  # they come first next time, or the others had everything
                    break
                arena = self._arenas.current
            if acks.stored:  # a turn may take as long as a sync
                acks.give()
            connection = by_descriptor.get(descriptor)
            if connection is None or (
                event != select.EPOLLIN and not acks.flush_if_writable(connection, event)
            ):
                continue
            if count := self._receive(connection, arena):
                connection.active = now
                reads += 1
                received += count
                if not connection.is_plain:
                    acks.close_or_rearm(by_descriptor[descriptor])
        self._metrics.received.inc(received)
        if not self._memory_limit.make_room():
            self.pause()
            return
        self._handover.deliver()
        if seconds := nap(reads, received):
            time.sleep(seconds)

    def _receive(self, connection: Connection, arena: Arena) -> int:
        """Read once from a connection; give the bytes, 0 if there were none or it has ended."""
        before = connection.unfinished
        try:
            count = connection.receive(arena)
        except BlockingIOError:
            return 0
        except OSError:
            self.connections.close(connection, "reset")
            return 0
        if count:
            self.connections.unfinished += connection.unfinished - before
        else:
            self._end(connection)
        return count

    def _end(self, connection: Connection) -> None:
        """Write the last line of a connection, then close it. There must be room."""
        self.connections.unfinished -= connection.unfinished
        connection.finish(self._arenas.current)
        self.connections.unfinished += connection.unfinished
        self.connections.close(connection, "end of stream")
