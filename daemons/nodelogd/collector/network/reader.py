"""Reads all connections in the event loop and hands whole lines to the writer.

One turn is a plain loop over the connections that are readable. It ends by handing what arrived to the
writer. Reading goes on while there is an arena to read into. When the writer has both, the epoll set is not
watched until one comes back; meanwhile the senders wait, in their kernels.
"""

from __future__ import annotations

import asyncio
import select
import time
from io import BytesIO
from typing import TYPE_CHECKING

from nodelogd.collector.network.protocol_detection import UndecidedConnection

if TYPE_CHECKING:
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.acks import Acks
    from nodelogd.collector.network.connections import Connection, Connections, Lines
    from nodelogd.collector.network.memory_limit import MemoryLimit
    from nodelogd.collector.pipeline.arena import Arena
    from nodelogd.collector.pipeline.arena_exchange import ArenaExchange

EVENTS_PER_TURN = 512  # connections


class Reader:
    """Reads connections into arenas."""

    def __init__(
        self,
        connections: Connections,
        acks: Acks,
        exchange: ArenaExchange,
        memory_limit: MemoryLimit,
        metrics: Metrics,
    ) -> None:
        """Read nothing until `resume`."""
        self._loop = asyncio.get_running_loop()
        self.connections = connections
        self._acks = acks
        self._exchange = exchange
        self._arenas = exchange.arenas
        self._memory_limit = memory_limit
        self._metrics = metrics
        self._unserved: list[tuple[int, int]] = []  # epoll events of connections that found no room
        self._draining = 0  # bytes of the detached connection being drained that are not in an arena yet
        self._paused_at: float | None = time.monotonic()  # None while connections are read
        self._is_stopped = False

    @property
    def held_bytes(self) -> int:
        """Bytes that were received and not handed to the writer yet."""
        return self.connections.unfinished + self._draining + self._arenas.current.end

    @property
    def is_paused(self) -> bool:
        """True while no connection is read, so that silence means nothing."""
        return self._paused_at is not None

    def resume(self) -> None:
        """Continue reading, as an arena came back. What was gathered meanwhile is handed over first."""
        self._exchange.note_release()
        if self._exchange.submit_now() and self._paused_at is not None and not self._is_stopped:
            self.count_pause()
            self._paused_at = None
            self._loop.add_reader(self.connections.epoll.fileno(), self._turn)

    def pause(self) -> None:
        """Stop reading; the senders wait."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()
            self._loop.remove_reader(self.connections.epoll.fileno())

    def count_pause(self) -> None:
        """Add the current pause so far to the metric."""
        if self._paused_at is not None:
            now = time.monotonic()
            self._metrics.paused.inc(now - self._paused_at)
            self._paused_at = now

    def stop(self) -> None:
        """Stop reading permanently."""
        self.pause()
        self._is_stopped = True

    def arena_with_room(self) -> Arena | None:
        """Return an arena that has room for one more read; None if reading is paused, or has to pause."""
        if self._paused_at is not None:
            return None
        arena = self._arenas.current
        if arena.end < arena.limit and self.connections.unfinished <= self._memory_limit.limit:
            return arena
        if not self._memory_limit.make_room():
            self.pause()
            return None
        return self._arenas.current

    def submit(self) -> bool:
        """Hand what was read to the writer, now or soon; False, and reading pauses, if there is no room."""
        if self._paused_at is None and not self._memory_limit.make_room():
            self.pause()
        if self._paused_at is not None:
            return False
        self._exchange.submit()
        return True

    def feed(self, descriptor: int, data: bytes) -> None:
        """Process bytes of an open connection that were read elsewhere. There is room for one more read."""
        connection = self.connections.by_descriptor[descriptor]
        before = connection.unfinished
        connection.feed(data, self._arenas.current)
        self.connections.unfinished += connection.unfinished - before
        if not connection.is_plain:
            self._acks.close_or_rearm(self.connections.by_descriptor[descriptor])

    async def drain_detached(
        self, detached: Lines | UndecidedConnection, rest: bytes, *, at_eof: bool
    ) -> None:
        """Process the `rest` that was read from a detached connection before its reset.

        Unless its peer had shut it down (`at_eof`), its unfinished line is dropped.
        """
        self.connections.unfinished -= detached.unfinished
        connection, rest = (
            detached.to_lines(rest) if isinstance(detached, UndecidedConnection) else (detached, rest)
        )
        connection.receive_into = BytesIO(rest).readinto
        self._metrics.received.inc(len(rest))
        self._draining = len(rest)
        while True:
            await self._exchange.wait_for_room()
            count = connection.receive(self._arenas.current)
            if not count:
                break
            self._draining -= count
        if at_eof:
            connection.finish(self._arenas.current)
        self.connections.drop_unfinished(connection, "stop")
        self.connections.count_closed("end of stream" if at_eof else "stop")

    async def flush(self) -> None:
        """Wait until the writer has all that was received."""
        await self._exchange.flush()

    def _turn(self) -> None:
        """Read once from each readable connection and hand over what arrived."""
        arena, acks, limit = self._arenas.current, self._acks, self._memory_limit.limit
        connections, by_descriptor = self.connections, self.connections.by_descriptor
        now = time.monotonic()
        reads = received = 0
        ready, self._unserved = self._unserved or connections.epoll.poll(0, EVENTS_PER_TURN), []
        for at, (descriptor, event) in enumerate(ready):
            if arena.end >= arena.limit or connections.unfinished > limit:
                if not self._memory_limit.make_room():
                    self._unserved = ready[at:]  # served first next time, or the others would get everything
                    break
                arena = self._arenas.current
            if acks.queued:  # a turn may take as long as a sync
                acks.send()
            connection = by_descriptor.get(descriptor)
            if connection is None or (event != select.EPOLLIN and not acks.handle_event(connection, event)):
                continue
            if count := self._receive(connection, arena):
                connection.last_read = now
                received += count
                if connection.is_plain:
                    reads += 1
                else:
                    decided = by_descriptor[descriptor]
                    reads += decided is connection  # a first read says nothing about the ones to come
                    acks.close_or_rearm(decided)
        self._metrics.received.inc(received)
        if self.submit():
            connections.pacing.nap_after(reads, received)

    def _receive(self, connection: Connection, arena: Arena) -> int:
        """Read once from a connection; return the bytes read, 0 if there were none or it has ended."""
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
        """Write the last line of a connection, then close it. The arena must not be full."""
        self.connections.unfinished -= connection.unfinished
        connection.finish(self._arenas.current)
        self.connections.unfinished += connection.unfinished
        self.connections.close(connection, "end of stream")
