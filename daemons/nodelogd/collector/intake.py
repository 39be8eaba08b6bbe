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

from nodelogd.collector.arena import FULL, Arena, Arenas
from nodelogd.collector.newcomer import Newcomer
from nodelogd.collector.pace import GATHER, nap
from nodelogd.collector.relp import Relp
from nodelogd.logs import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.clients import Clients
    from nodelogd.collector.lines import Lines
    from nodelogd.collector.metrics import Metrics

    Connection = Lines | Relp | Newcomer

log = logging.getLogger(__name__)

SAY_AGAIN_AFTER = 60.0  # seconds; whoever can connect can break the protocol as often as they like
EVENTS = 512  # connections served in one turn
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; to close is then to reset


class Intake:
    """Every open connection, and the arena they are read into."""

    def __init__(  # noqa: PLR0913 (what it is put together from)
        self,
        loop: asyncio.AbstractEventLoop,
        arenas: Arenas,
        put: Callable[[Arena], None],
        metrics: Metrics,
        clients: Clients,
        *,
        unfinished_limit: int,
    ) -> None:
        """Read nothing until `resume`. `put` takes what is to be written; `on_stored` then hears of it.

        Unfinished lines of all connections together take up to `unfinished_limit` bytes.
        """
        self._loop = loop
        self._arenas = arenas
        self._put = put
        self._metrics = metrics
        self._clients = clients
        self._limit = unfinished_limit
        self._once = Once(SAY_AGAIN_AFTER)
        self._epoll = select.epoll()
        self._unfinished = 0  # bytes, of all connections
        self._rest = 0  # bytes of the connection that is ended just now, not in an arena yet
        self._paused_at: float | None = time.monotonic()  # None while connections are read
        self._handed_at = 0.0  # when the writer was given something last
        self._due: asyncio.TimerHandle | None = None  # of the next time, if something waits for it
        self._ending = False
        self._returned = asyncio.Event()
        self.connections: dict[int, Connection] = {}  # by descriptor
        self.emptied = asyncio.Event()
        self.on_closed: Callable[[], None] = lambda: None  # hears of every connection that ended
        clients.on_replaced = lambda connection: self._close(connection, "replaced")

    @property
    def held(self) -> int:
        """Bytes that were received and not handed to the writer yet."""
        return self._unfinished + self._rest + self._arenas.current.end

    def add(self, connection: Connection) -> None:
        """Read from this connection, too, whenever there is room. Raises OSError."""
        descriptor = connection.sock.fileno()
        self._epoll.register(descriptor, select.EPOLLIN)
        self.connections[descriptor] = connection
        connection.active = time.monotonic()
        self.emptied.clear()

    def become(self, connection: Lines | Relp) -> None:
        """Take a connection for what it turned out to be."""
        connection.active = time.monotonic()
        self.connections[connection.sock.fileno()] = connection

    def on_stored(self, receipts: Mapping[Relp, int]) -> None:
        """Answer the frames whose lines are stored, so many of each connection."""
        for connection, count in receipts.items():
            try:
                connection.answer(count)
            except OSError:
                self._close(connection, "reset")
            else:
                self._look_after(connection)

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

    def close_silent(self) -> None:
        """Close the RELP connections that have not said in time what they want."""
        for connection in self._clients.overdue():
            self._close(connection, "no open")

    def detach_relp(self) -> list[Relp]:
        """Stop reading the RELP connections: what is unread is unanswered, and comes again."""
        found = [connection for connection in self.connections.values() if isinstance(connection, Relp)]
        for connection in found:
            self._unfinished -= connection.unfinished
            connection.drop("stop")
            self._detach(connection)
        return found

    def let_go(self, connection: Relp) -> None:
        """Close a connection that was detached."""
        connection.leave()
        connection.sock.close()
        self._metrics.closed.labels("stop").inc()
        self.on_closed()

    def detach_all(self) -> list[Lines | Newcomer]:
        """Stop reading for good; the connections are the caller's, who ends them by `take_rest`.

        From now on to close one is to reset it.
        """
        self.pause()
        self._ending = True
        late = [connection for connection in self.connections.values() if not isinstance(connection, Relp)]
        for connection in late:
            _reset_on_close(connection)
            self._detach(connection)
        return late

    async def take_rest(self, late: Lines | Newcomer, rest: bytes, *, ended: bool) -> None:
        """Take what a connection had sent before it was reset.

        If its peer had not `ended` it, the line it was in the middle of is dropped.
        """
        self._unfinished -= late.unfinished
        connection, rest = late.as_lines(rest) if isinstance(late, Newcomer) else (late, rest)
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
        for connection in [*self.detach_relp(), *self.detach_all()]:
            connection.sock.close()
        self._epoll.close()

    def _close(self, connection: Connection, reason: str) -> None:
        """Let go of a connection; its unfinished line, if it still has one, is dropped."""
        self._unfinished -= connection.unfinished
        connection.drop(reason)
        self._detach(connection)
        if isinstance(connection, Relp):
            connection.leave()
        connection.sock.close()
        self._metrics.closed.labels(reason).inc()
        self.on_closed()

    def _detach(self, connection: Connection) -> None:
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
        for descriptor, event in self._epoll.poll(0, EVENTS):
            if arena.end >= FULL or self._unfinished > self._limit:
                if not self._make_room():
                    break
                arena = self._arenas.current
            connection = connections.get(descriptor)
            if connection is None or (event != select.EPOLLIN and not self._is_readable(connection, event)):
                continue
            if count := self._receive(connection, arena):
                connection.active = now
                reads += 1
                received += count
                if not connection.is_plain:
                    self._look_after(connections[descriptor])
        self._metrics.received.inc(received)
        if not self._make_room():
            self.pause()
            return
        self._deliver()
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
            self._close(connection, "reset")
            return 0
        if count:
            self._unfinished += connection.unfinished - before
        else:
            self._end(connection, "end of stream")
        return count

    def _deliver(self) -> None:
        """Hand over at once, or soon if that was done a moment ago."""
        if time.monotonic() - self._handed_at >= GATHER:
            self._hand_over()
        elif not self._due and not self._arenas.current.is_empty:
            self._due = self._loop.call_later(GATHER, self._on_due)

    def _on_due(self) -> None:
        self._due = None
        self._hand_over()

    def _hand_over(self) -> bool:
        """Give the writer what there is; False if it has no arena to give for it."""
        if self._arenas.current.is_empty:
            return True
        full = self._arenas.swap()
        if full is None:
            return False
        self._handed_at = time.monotonic()
        self._put(full)
        return True

    def _has_room(self) -> bool:
        return not self._arenas.current.is_full or self._hand_over()

    def _make_room(self) -> bool:
        """Make room for one more read, whatever it brings; False if the writer has to give back an arena."""
        if self._unfinished > self._limit:
            self._relieve()
        return self._unfinished <= self._limit and self._has_room()

    def _end(self, connection: Connection, reason: str) -> None:
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
            if isinstance(connection, Relp):
                self._close(connection, "buffer")  # its frame is not acknowledged, and comes again
            else:
                self._unfinished -= connection.unfinished
                connection.split(self._arenas.current)

    def _is_readable(self, connection: Connection, event: int) -> bool:
        """Send a peer the answers it has not taken so far; say whether there is something to be read, too."""
        if event & select.EPOLLOUT and isinstance(connection, Relp):
            try:
                connection.flush()
            except OSError:
                self._close(connection, "reset")
                return False
            self._look_after(connection)
        return bool(event & ~select.EPOLLOUT) and connection.sock.fileno() >= 0

    def _look_after(self, connection: Connection) -> None:
        """Do what a RELP connection needs beside being read: an end, or to be watched for other things."""
        descriptor = connection.sock.fileno()
        if not isinstance(connection, Relp) or self.connections.get(descriptor) is not connection:
            return
        if connection.fault:
            text = "a client broke the protocol and was cut off: %s"
            self._once.log(log, logging.WARNING, "fault", text, connection.fault)
            self._close(connection, "protocol")
        elif connection.is_done:
            self._close(connection, "end of stream")
        elif (wants := connection.wants) != connection.watched:
            self._epoll.modify(descriptor, wants)
            connection.watched = wants


def _reset_on_close(connection: Connection) -> None:
    with suppress(OSError):  # its peer was faster
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
