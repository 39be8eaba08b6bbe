"""Serves connections that end at once, as those of `echo … | nc`: a connection for each line.

All that such a client will ever send is there when its connection is accepted, or a moment later. So a
connection is read as soon as it is accepted, and closed if it has ended: without a watch, a timer, or an
object that remains. Those that have not are read once more after all others, as between a client's connect,
its line and its end there are a few microseconds. What is still open then becomes an ordinary connection,
which continues with the bytes that were read here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from nodelog.wire.sniffing import Protocol, sniff_protocol
from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.collector.network.protocol_detection import FIRST_READ_SIZE
from nodelogd.collector.network.stamp import peer_name, stamp_in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.line_connection import LineLimits
    from nodelogd.collector.network.reader import Reader
    from nodelogd.collector.network.stamp import PeerAddress
    from nodelogd.collector.pipeline.arena import Arena

LAST_ROUNDS = 2  # in which connections are read that have not ended; a read that finds nothing takes 2 µs
MAX_REST = 1024  # bytes of an unfinished line; the memory limit counts those of ordinary connections
FIRST_BYTES = 64  # more than it takes to tell RELP from lines


class AcceptedConnection:
    """A connection that is accepted and not watched."""

    __slots__ = ("address", "descriptor", "framing", "protocol", "rest")

    def __init__(self, descriptor: int, address: PeerAddress) -> None:
        """Own a descriptor that does not block."""
        self.descriptor = descriptor
        self.address = address
        self.framing = Framing.LF
        self.protocol: Protocol | None = None  # None as long as its first bytes may be those of both
        self.rest: list[bytes] = []  # what was read and is not in an arena

    @property
    def unfinished(self) -> int:
        """Bytes that were read and are not in an arena."""
        return sum(map(len, self.rest))


KeepOpen: TypeAlias = "Callable[[AcceptedConnection], None]"


class ShortConnections:
    """Reads accepted connections at once, unless the reader is paused."""

    def __init__(self, reader: Reader, limits: LineLimits, metrics: Metrics) -> None:
        self._reader = reader
        self._stamps = limits.stamp
        self._metrics = metrics
        self._closed = metrics.closed.labels("end of stream")
        self._read_size = min(FIRST_READ_SIZE, limits.read_size)
        self._received = 0  # bytes of the current batch
        self._ended = 0  # connections of the current batch

    def serve(self, accepted: Iterable[AcceptedConnection], keep_open: KeepOpen) -> None:
        """Read each connection as it is accepted and close those that end; call `keep_open` for the others.

        It gets a connection at once if what was read of it needs room in the arena.
        """
        self._received = self._ended = 0
        read = self._read
        waiting = [one for one in accepted if read(one, keep_open)]
        for _ in range(LAST_ROUNDS):
            waiting = [one for one in waiting if read(one, keep_open)]
        for connection in waiting:
            keep_open(connection)
        self._metrics.received.inc(self._received)
        if self._ended:
            self._closed.inc(self._ended)
        self._reader.submit()

    def _read(self, connection: AcceptedConnection, keep_open: KeepOpen) -> bool:
        """Read a connection, and its end if it sent lines; return True if it is to be read again here."""
        arena = self._reader.arena_with_room()
        if arena is None:
            return True
        start = arena.end
        try:
            count = os.readv(connection.descriptor, (arena.view[start : start + self._read_size],))
        except BlockingIOError:
            return True
        except OSError:
            self._drop(connection, "reset")
            return False
        if not count:
            self._finish(connection, arena)
            return False
        self._received += count
        if self._take_first(connection, arena, start + count):
            return self._read(connection, keep_open)
        keep_open(connection)
        return False

    def _take_first(self, connection: AcceptedConnection, arena: Arena, stop: int) -> bool:
        """Keep what was read; False if it is RELP, a long unfinished line, or more than a first read."""
        start, view, is_first = arena.end, arena.view, not (connection.protocol or connection.rest)
        if is_first:
            connection.protocol = sniff_protocol(view[start : min(stop, start + FIRST_BYTES)])
            if connection.protocol is Protocol.LINES and (end := arena.last_line_end(start, stop)):
                self._add_lines(connection, arena, end)
                start = end
        if start != stop:
            connection.rest.append(bytes(view[start:stop]))
        return is_first and connection.protocol is not Protocol.RELP and stop - start <= MAX_REST

    def _finish(self, connection: AcceptedConnection, arena: Arena) -> None:
        """Write the last line of a connection, with an LF if it has none, and close it."""
        if connection.rest:
            start = arena.end
            arena.add(*connection.rest, b"\n")
            end, arena.end = arena.end, start
            self._add_lines(connection, arena, end)
            self._metrics.added.labels("newline").inc()
        os.close(connection.descriptor)
        self._ended += 1

    def _add_lines(self, connection: AcceptedConnection, arena: Arena, end: int) -> None:
        """Add the lines that lie behind the end of an arena, up to `end`."""
        start, arena.end = arena.end, end
        if self._stamps:
            added = stamp_in_place(arena, start, peer_name(connection.address))
            self._metrics.added.labels("stamp").inc(added)

    def _drop(self, connection: AcceptedConnection, reason: str) -> None:
        """Close a connection that failed. An unfinished line is dropped and counted."""
        os.close(connection.descriptor)
        self._metrics.closed.labels(reason).inc()
        if connection.rest:
            self._metrics.dropped_lines.labels(reason).inc()
            self._metrics.dropped.labels(reason).inc(connection.unfinished)
