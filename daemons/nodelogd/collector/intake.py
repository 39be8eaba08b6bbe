"""The loop's side of the collector: reads all connections, hands whole lines to the writer.

All connections are in one epoll set of ours, and the event loop watches that set as a single descriptor.
So a turn is one plain loop over what is readable, it ends in one hand-over, and to stop reading from ten
thousand connections is to stop watching one descriptor. (Transports and protocols of the event loop
measured 5 to 20 % more CPU per read, and start reading whether there is room or not.)

Reading goes on as long as there is an arena to read into. When the writer has both, the set is not watched
until one comes back; the senders wait in their kernels.
"""

from __future__ import annotations

import logging
import select
import socket
import struct
import time
from asyncio import Event
from collections import deque
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

from nodelogd.collector.handover import Handover
from nodelogd.collector.newcomer import Newcomer
from nodelogd.collector.pace import nap
from nodelogd.collector.relp import Relp
from nodelogd.logs import Once

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from nodelogd.collector.arena import Arena, Arenas
    from nodelogd.collector.clients import Clients
    from nodelogd.collector.lines import Lines
    from nodelogd.collector.metrics import Metrics

    Connection = Lines | Relp | Newcomer

log = logging.getLogger(__name__)

SAY_AGAIN_AFTER = 60.0  # seconds; whoever can connect can break the protocol as often as they like
EVENTS = 512  # connections served in one turn
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; to close is then to reset
ANSWERS = 4  # this part of what may be unfinished may be answers that nobody takes


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
        """Read nothing until `resume`. `put` takes what is to be written; `note_stored` then hears of it.

        Unfinished lines and frames of all connections together take up to `unfinished_limit` bytes.
        """
        self._loop = loop
        self._arenas = arenas
        self._handover = Handover(loop, arenas, put)
        self._metrics = metrics
        self._clients = clients
        self._limit = unfinished_limit
        self._once = Once(SAY_AGAIN_AFTER)
        self._epoll = select.epoll()
        self._unserved: list[tuple[int, int]] = []  # what epoll said of connections that found no room
        self._stored: deque[Mapping[Relp, int]] = deque()  # whom nobody has answered yet
        self._unfinished = 0  # bytes, of all connections
        self._rest = 0  # bytes of the connection that is ended just now, not in an arena yet
        self._paused_at: float | None = time.monotonic()  # None while connections are read
        self._leaving = False  # nobody is given an answer any more who has none to come
        self._ending = False
        self.connections: dict[int, Connection] = {}  # by descriptor
        self.emptied = Event()
        self.on_closed: Callable[[], None] = lambda: None  # hears of every connection that ended
        clients.on_replaced = self._replace

    @property
    def held(self) -> int:
        """Bytes that were received and not handed to the writer yet."""
        return self._unfinished + self._rest + self._arenas.current.end

    @property
    def is_paused(self) -> bool:
        """True while nothing is read, so that nobody's silence says anything."""
        return self._paused_at is not None

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

    def note_stored(self, receipts: Mapping[Relp, int]) -> None:
        """Note that lines are stored, for so many frames of each connection; from any thread."""
        self._stored.append(receipts)

    def answer(self) -> None:
        """Answer the frames whose lines are stored."""
        while self._stored:
            for connection, count in self._stored.popleft().items():
                connection.answer(count)
                self._look_after(connection)

    def resume(self) -> None:
        """Go on, now that there is room; what was gathered meanwhile goes first."""
        self._handover.on_return()
        if self._handover.now() and self._paused_at is not None and not self._ending:
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

    def close(self, connection: Connection, reason: str) -> None:
        """Let go of a connection; its unfinished line, if it still has one, is dropped."""
        self._unfinished -= connection.unfinished
        connection.drop(reason)
        self._detach(connection)
        self.let_go(connection, reason)

    def let_go(self, connection: Connection, reason: str) -> None:
        """Close a connection that is detached."""
        if isinstance(connection, Relp):
            connection.leave()
        connection.sock.close()
        self._metrics.closed.labels(reason).inc()
        self.on_closed()

    def detach_relp(self) -> list[Relp]:
        """Stop reading the RELP connections: what is unread is unanswered, and comes again.

        Whoever turns out to be one later is closed.
        """
        self._leaving = True
        found = [connection for connection in self.connections.values() if isinstance(connection, Relp)]
        for connection in found:
            self._unfinished -= connection.unfinished
            connection.drop("stop")
            self._detach(connection)
        return found

    def detach_all(self) -> list[Lines | Newcomer]:
        """Stop reading for good; the connections are the caller's, who ends them by `take_rest`.

        From now on to close one is to reset it.
        """
        self.pause()
        self._ending = True
        late = [connection for connection in self.connections.values() if not isinstance(connection, Relp)]
        for connection in late:
            reset_on_close(connection)
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
            await self._handover.roomy()
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
        await self._handover.flushed()

    def dispose(self) -> None:
        """Let go of what is left."""
        for connection in self.detach_relp():
            self.let_go(connection, "stop")
        for late in self.detach_all():
            late.sock.close()
        self._epoll.close()

    def _detach(self, connection: Connection) -> None:
        descriptor = connection.sock.fileno()
        self._epoll.unregister(descriptor)
        del self.connections[descriptor]
        if not self.connections:
            self.emptied.set()

    def _is_attached(self, connection: Connection) -> bool:
        return self.connections.get(connection.sock.fileno()) is connection

    def _replace(self, connection: Relp) -> None:
        """Close a connection whose stream is carried by another one now."""
        if self._is_attached(connection):
            self.close(connection, "replaced")

    def _turn(self) -> None:
        """Read once from each connection that has something, and hand over what came."""
        arena = self._arenas.current
        connections = self.connections
        now = time.monotonic()
        reads = received = 0
        ready, self._unserved = self._unserved or self._epoll.poll(0, EVENTS), []
        for at, (descriptor, event) in enumerate(ready):
            if arena.end >= arena.limit or self._unfinished > self._limit:
                if not self._make_room():
                    self._unserved = ready[at:]  # they come first next time, or the others had everything
                    break
                arena = self._arenas.current
            if self._stored:  # a turn may take as long as a sync
                self.answer()
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
            self.close(connection, "reset")
            return 0
        if count:
            self._unfinished += connection.unfinished - before
        else:
            self._end(connection)
        return count

    def _end(self, connection: Connection) -> None:
        """Write the last line of a connection, then close it. There must be room."""
        self._unfinished -= connection.unfinished
        connection.finish(self._arenas.current)
        self._unfinished += connection.unfinished
        self.close(connection, "end of stream")

    def _make_room(self) -> bool:
        """Make room for one more read, whatever it brings; False if the writer has to give back an arena."""
        if self._unfinished > self._limit:
            self._relieve()
        return self._unfinished <= self._limit and self._handover.has_room()

    def _relieve(self) -> None:
        """Write the longest unfinished lines as they are, until a quarter of their memory is free again.

        More than the one line that was too much, so that this is seldom done, however many lines there are.
        A frame cannot be written: its connection is closed, and told, so that no block is blamed for it.
        """
        for connection in sorted(self.connections.values(), key=lambda c: c.unfinished, reverse=True):
            if self._unfinished <= self._limit * 3 // 4 or not self._handover.has_room():
                return
            if isinstance(connection, Relp):
                connection.say_goodbye()
                self.close(connection, "buffer")
            else:
                self._unfinished -= connection.unfinished
                connection.split(self._arenas.current)

    def _is_readable(self, connection: Connection, event: int) -> bool:
        """Send a peer the answers it has not taken so far; say whether there is something to be read, too."""
        if event & select.EPOLLOUT and isinstance(connection, Relp):
            connection.flush()
            self._look_after(connection)
        return bool(event & ~select.EPOLLOUT) and self._is_attached(connection)

    def _look_after(self, connection: Connection) -> None:
        """Do what a RELP connection needs beside being read: an end, or to be watched for other things."""
        if not isinstance(connection, Relp) or not self._is_attached(connection):
            return
        if connection.fault:
            text = "%s broke the protocol and was cut off: %s"
            self._once.log(log, logging.WARNING, "fault", text, connection.who, connection.fault)
            self.close(connection, "protocol")
        elif connection.is_broken:
            self.close(connection, "reset")
        elif connection.is_done:
            self.close(connection, "end of stream")
        elif self._leaving:
            self.close(connection, "stop")
        elif connection.unsent and self._clients.unsent > self._limit // ANSWERS:
            self.close(connection, "buffer")
        elif (wants := connection.wants) != connection.watched:
            self._epoll.modify(connection.sock.fileno(), wants)
            connection.watched = wants


def reset_on_close(connection: Connection) -> None:
    """Have the peer of a connection learn by an error that it was closed."""
    with suppress(OSError):  # its peer was faster
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
