"""One process of a load: its connections are given their lines, flat out or as planned, until it is over.

Flat out, a connection's next write is due the moment the last one was handed over, so its latency is how
long a connection waits for its turn. With a rate the plan is fixed before (an open loop): a collector that
stalls makes the writes late that were planned meanwhile, and each is counted with the time it was late.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.load.generator.connection_pool import Links
from nodelog.load.generator.framing import framing
from nodelog.load.generator.latency_histogram import Latency
from nodelog.load.generator.line_source import supply
from nodelog.load.generator.line_stream import Plain
from nodelog.load.generator.relp_stream import Relp

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.load.generator.connection import Connection
    from nodelog.load.generator.settings import Settings

_SECOND: Final = 1_000_000_000
_LOOK: Final = 0.1
"""Seconds after which it looks whether to stop, and tells how far it is."""
_EVER: Final = 1 << 62
PATIENCE: Final = 30.0
"""Seconds to wait for the collector to take what is under way, since it last ended a connection or stored a
line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a process is."""

    at: int
    """When, in nanoseconds of time.monotonic."""
    lines: int
    """Handed over, as far as their writes are complete."""
    reconnects: int
    open: int
    """Connections that have a socket."""


class Sender:
    """The connections of one process. `tell` is called with how far it is, every tenth of a second."""

    def __init__(self, settings: Settings, process: int, tell: Callable[[Progress], None]) -> None:
        self.stop = False
        self.latency = Latency()
        self.ack_latency = Latency()
        self._settings = settings
        self._lines = settings.write_lines
        self._tell = tell
        self._told = 0
        self.connections = _connections(settings, process, self.ack_latency)
        self.links = Links((settings.host, settings.port), self.connections)
        self._serve: Callable[[Connection], object] = (
            self._push if settings.protocol == "lines" else self._fill
        )
        self._start = self._end = 0
        self._complete = (
            0  # lines of complete writes; to ask each connection takes a while when there are many
        )

    def open(self) -> None:
        """Connect. Raises OSError."""
        self.links.open_all()

    def send(self, start: int) -> None:
        """Send from `start` on, nanoseconds of time.monotonic, until all is handed over or the time is up."""
        self._start = start
        for_seconds = self._settings.duration
        self._end = start + round(for_seconds * _SECOND) if for_seconds is not None else _EVER
        time.sleep(max(0.0, (start - time.monotonic_ns()) / _SECOND))
        for connection in self.connections:
            self._next(connection, start)
            if connection.is_through:
                self.links.finish(connection)
        if self._settings.rate is None:
            self._flat_out()
        else:
            self._as_planned()

    def finish(self) -> bool:
        """End each connection after its line or frame; wait until the collector has it. False if it has not.

        If it was not to `stop` before, `stop` ends the waiting, however long it would have been.
        """
        for connection in self.connections:
            connection.stop()
        stays = self._settings.through_restarts
        self.links.end_all(give_up=not stays)
        left, since, stopped = (0, 0), time.monotonic(), self.stop
        while self.links.is_busy and self.stop == stopped and (stays or time.monotonic() < since + PATIENCE):
            for connection in self.links.ready(_LOOK):
                self._serve(connection)
            if left != (left := (self.links.open, self.sent)):
                since = time.monotonic()
            self._look(time.monotonic_ns())
        complete = not self.links.is_busy
        self.links.close()
        return complete and not self.unacknowledged

    def late(self, now: int) -> int:
        """How many lines were due by then and are not handed over."""
        elapsed = min(now, self._end) - self._start
        due = sum(self._settings.due(connection.number, elapsed) for connection in self.connections)
        return max(0, due - sum(connection.handed for connection in self.connections))

    @property
    def sent(self) -> int:
        """How many lines count as sent: handed to the kernel, or acknowledged."""
        return sum(connection.sent for connection in self.connections)

    @property
    def unacknowledged(self) -> dict[int, int]:
        """How many lines of each connection may be stored or not, if there are any."""
        left = {connection.number: connection.handed - connection.sent for connection in self.connections}
        return {number: lines for number, lines in left.items() if lines}

    def _flat_out(self) -> None:
        now = time.monotonic_ns()
        while self.links.unfinished and not self.stop and now < self._end:
            for connection in self.links.ready(self._patience(now, now + _SECOND)):
                self._serve(connection)
            now = time.monotonic_ns()
            self._look(now)

    def _as_planned(self) -> None:
        turn, connections, planned = 0, self.connections, self._settings.planned
        due = now = self._start
        while self.links.unfinished and not self.stop and now < self._end:
            while due <= now and due < self._end:
                nth, which = divmod(turn, len(connections))
                if connections[which].nth == nth:  # else it is behind and goes on by itself, or is done
                    self._catch_up(connections[which], now)
                turn += 1
                nth, which = divmod(turn, len(connections))
                due = self._start + planned(connections[which].number, nth)
            # select, as epoll itself cannot wait for less than a millisecond
            now = time.monotonic_ns()
            if select.select([self.links.epoll], [], [], self._patience(now, due))[0]:
                for connection in self.links.ready(0):
                    self._catch_up(connection, min(now, self._end - 1))
            elif self.links.next_retry <= time.monotonic():
                self.links.ready(0)
            now = time.monotonic_ns()
            self._look(now)
        if not self.stop:
            for connection in connections:
                self._catch_up(connection, self._end - 1)  # what was due since the last look

    def _catch_up(self, connection: Connection, now: int) -> None:
        """Send what is due on this connection, as far as it takes it."""
        if connection.sock is None or connection.connecting or connection.ended:
            return
        connection.blocked = False
        while (connection.planned <= now or connection.is_behind) and not connection.is_done:
            if not self._push(connection):
                break
        self.links.watch(connection)

    def _fill(self, connection: Connection) -> None:
        """Send what the window takes: that has an end, so no other connection waits for long."""
        self._catch_up(connection, _EVER)

    def _push(self, connection: Connection) -> bool:
        """Hand over what the connection takes; True if its write is complete and another may follow."""
        try:
            is_complete = connection.push()
        except OSError as error:
            self.links.lose(connection, error)
            return False
        if is_complete:
            now = time.monotonic_ns()
            self.latency.add(now - connection.planned)
            self._complete += connection.last - connection.first
            self._next(connection, now)
        if connection.is_through:
            self.links.finish(connection)
            return False
        return is_complete

    def _next(self, connection: Connection, now: int) -> None:
        connection.next_write(self._lines)
        if self._settings.rate is None:
            connection.planned = now
        else:
            connection.planned = self._start + self._settings.planned(connection.number, connection.nth)

    def _patience(self, now: int, due: int) -> float:
        wait = max(0, min(due, self._end) - now) / _SECOND
        return max(0.0, min(wait, _LOOK, self.links.next_retry - now / _SECOND))

    def _look(self, now: int) -> None:
        """Do what need not be done for each write."""
        self.latency.settle()
        self.ack_latency.settle()
        if now >= self._told + _LOOK * _SECOND:
            self._told = now
            links = self.links
            self._tell(Progress(at=now, lines=self._complete, reconnects=links.reconnects, open=links.open))


def _connections(settings: Settings, process: int, acks: Latency) -> list[Connection]:
    numbers = settings.numbers(process)
    if settings.protocol == "lines":
        lines = supply(settings)
        return [Plain(number, settings, lines) for number in numbers]
    frames = framing(settings)
    return [Relp(number, settings, frames, acks.add) for number in numbers]
