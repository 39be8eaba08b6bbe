"""The loop's side of the collector: reads all connections, hands whole lines to the writer.

All connections are in one epoll set of ours, and the event loop watches that set as a single descriptor.
So a turn is one plain loop over what is readable, it ends in one hand-over, and to stop reading from ten
thousand connections is to stop watching one descriptor. (Transports and protocols of the event loop
measured 5 to 20 % more CPU per read, and start reading whether there is room or not.)

Reading goes on as long as there is an arena to read into. When the writer has both, the set is not watched
until one comes back; the senders wait in their kernels.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import struct
import time
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

from nodelogd.collector.arena import FULL, Arenas
from nodelogd.collector.orders import Batch
from nodelogd.collector.pace import GATHER, nap

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.lines import Lines
    from nodelogd.collector.metrics import Metrics

log = logging.getLogger(__name__)

EVENTS = 512  # connections served in one turn
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; to close is then to reset


class Intake:
    """Every open connection, and the arena they are read into."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        arenas: Arenas,
        put: Callable[[Batch], None],
        metrics: Metrics,
        *,
        unfinished_limit: int,
    ) -> None:
        """Read nothing until `resume`. `put` takes what is to be written.

        Unfinished lines of all connections together take up to `unfinished_limit` bytes.
        """
        self._loop = loop
        self._arenas = arenas
        self._put = put
        self._metrics = metrics
        self._limit = unfinished_limit
        self._epoll = select.epoll()
        self._unfinished = 0  # bytes, of all connections
        self._rest = 0  # bytes of the connection that is ended just now, not in an arena yet
        self._paused_at: float | None = time.monotonic()  # None while connections are read
        self._handed_at = 0.0  # when the writer was given something last
        self._due: asyncio.TimerHandle | None = None  # of the next time, if something waits for it
        self._ending = False
        self._returned = asyncio.Event()
        self.connections: dict[int, Lines] = {}  # by descriptor
        self.emptied = asyncio.Event()
        self.on_closed: Callable[[], None] = lambda: None  # hears of every connection that ended

    @property
    def held(self) -> int:
        """Bytes that were received and not handed to the writer yet."""
        return self._unfinished + self._rest + self._arenas.current.end

    def add(self, connection: Lines) -> None:
        """Read from this connection, too, whenever there is room. Raises OSError."""
        descriptor = connection.sock.fileno()
        self._epoll.register(descriptor, select.EPOLLIN)
        self.connections[descriptor] = connection
        connection.active = time.monotonic()
        self.emptied.clear()

    def resume(self) -> None:
        """Go on, now that there is room; what was gathered meanwhile goes first."""
        self._returned.set()
        if self._hand_over() and self._paused_at is not None and not self._ending:
            self.account_for_pause()
            self._paused_at = None
            self._loop.add_reader(self._epoll.fileno(), self._turn)

    def pause(self) -> None:
        """Stop reading; the senders wait."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()
            self._loop.remove_reader(self._epoll.fileno())

    def account_for_pause(self) -> None:
        """Count a pause so far."""
        if self._paused_at is not None:
            now = time.monotonic()
            self._metrics.paused.inc(now - self._paused_at)
            self._paused_at = now

    def close_idle(self, timeout: float) -> None:
        """Reset the connections that have sent nothing for `timeout` seconds.

        A client that does not look for the end of a connection loses the line it writes next into a closed
        one; into one that was reset it cannot write. A line it was in the middle of is dropped and counted.
        """
        if self._paused_at is not None:
            return  # they may well have sent something
        oldest = time.monotonic() - timeout
        for connection in [c for c in self.connections.values() if c.active < oldest]:
            try:
                connection.sock.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                _reset_on_close(connection)
                self._close(connection, "idle")
            except OSError:
                pass  # the next turn finds out, too, as it does if something came in this moment

    def detach_all(self) -> list[Lines]:
        """Stop reading for good; the connections are the caller's, who ends them by `take_rest`.

        From now on to close one is to reset it.
        """
        self.pause()
        self._ending = True
        late = list(self.connections.values())
        for connection in late:
            _reset_on_close(connection)
            self._detach(connection)
        return late

    async def take_rest(self, connection: Lines, rest: bytes, *, ended: bool) -> None:
        """Take what a connection had sent before it was reset.

        If its peer had not `ended` it, the line it was in the middle of is dropped.
        """
        self._unfinished -= connection.unfinished
        connection.receive_into = BytesIO(rest).readinto
        self._metrics.received.inc(len(rest))
        self._rest = len(rest)
        while True:
            while not self._has_room():
                self._returned.clear()
                await self._returned.wait()
            count = connection.receive(self._arenas.current)
            if not count:
                break
            self._rest -= count
        if ended:
            connection.finish(self._arenas.current)
        connection.drop("stop")
        self._metrics.closed.labels("end of stream" if ended else "stop").inc()
        self.on_closed()

    async def flush(self) -> None:
        """Return when the writer has all that was received."""
        while not self._hand_over():
            self._returned.clear()
            await self._returned.wait()

    def dispose(self) -> None:
        """Let go of what is left."""
        for connection in self.detach_all():
            connection.sock.close()
        self._epoll.close()

    def _close(self, connection: Lines, reason: str) -> None:
        """Let go of a connection; its unfinished line, if it still has one, is dropped."""
        self._unfinished -= connection.unfinished
        connection.drop(reason)
        self._detach(connection)
        connection.sock.close()
        self._metrics.closed.labels(reason).inc()
        self.on_closed()

    def _detach(self, connection: Lines) -> None:
        descriptor = connection.sock.fileno()
        self._epoll.unregister(descriptor)
        del self.connections[descriptor]
        if not self.connections:
            self.emptied.set()

    def _turn(self) -> None:
        """Read once from each connection that has something, and hand over what came."""
        arena = self._arenas.current
        connections = self.connections
        now = time.monotonic()
        reads = received = 0
        for descriptor, _ in self._epoll.poll(0, EVENTS):
            if arena.end >= FULL or self._unfinished > self._limit:
                if not self._make_room():
                    break
                arena = self._arenas.current
            connection = connections[descriptor]
            before = connection.unfinished
            try:
                count = connection.receive(arena)
            except BlockingIOError:
                continue
            except OSError:
                self._close(connection, "reset")
                continue
            if not count:
                self._end(connection, "end of stream")
                continue
            connection.active = now
            self._unfinished += connection.unfinished - before
            reads += 1
            received += count
        self._metrics.received.inc(received)
        if not self._make_room():
            self.pause()
            return
        self._deliver()
        if seconds := nap(reads, received):
            time.sleep(seconds)

    def _deliver(self) -> None:
        """Hand over at once, or soon if that was done a moment ago."""
        if time.monotonic() - self._handed_at >= GATHER:
            self._hand_over()
        elif not self._due and self._arenas.current.end:
            self._due = self._loop.call_later(GATHER, self._on_due)

    def _on_due(self) -> None:
        self._due = None
        self._hand_over()

    def _hand_over(self) -> bool:
        """Give the writer what there is; False if it has no arena to give for it."""
        if not self._arenas.current.end:
            return True
        full = self._arenas.swap()
        if full is None:
            return False
        self._handed_at = time.monotonic()
        self._put(Batch(full))
        return True

    def _has_room(self) -> bool:
        return not self._arenas.current.is_full or self._hand_over()

    def _make_room(self) -> bool:
        """Make room for one more read, whatever it brings; False if the writer has to give back an arena."""
        if self._unfinished > self._limit:
            self._relieve()
        return self._unfinished <= self._limit and self._has_room()

    def _end(self, connection: Lines, reason: str) -> None:
        """Write the last line of a connection, then close it. There must be room."""
        self._unfinished -= connection.unfinished
        connection.finish(self._arenas.current)
        self._close(connection, reason)

    def _relieve(self) -> None:
        """Write the longest unfinished lines as they are, until a quarter of their memory is free again.

        More than the one line that was too much, so that this is seldom done, however many lines there are.
        """
        for connection in sorted(self.connections.values(), key=lambda c: c.unfinished, reverse=True):
            if self._unfinished <= self._limit * 3 // 4 or not self._has_room():
                return
            self._unfinished -= connection.unfinished
            connection.split(self._arenas.current)


def _reset_on_close(connection: Lines) -> None:
    with suppress(OSError):  # its peer was faster
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
