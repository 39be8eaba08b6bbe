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

from nodelog.load.connection import Connection, supply
from nodelog.load.latency import Latency
from nodelog.load.links import IDLE, OUT, Links

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.load.settings import Settings

_SECOND: Final = 1_000_000_000
_LOOK: Final = 0.1
"""Seconds after which it looks whether to stop, and tells how far it is."""
PATIENCE: Final = 30.0
"""Seconds to wait for the collector to read what is under way, since it last ended a connection."""


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
        self._settings = settings
        self._lines = settings.write_lines
        self._tell = tell
        self._told = 0
        lines = supply(settings)
        self.connections = [Connection(number, settings, lines) for number in settings.numbers(process)]
        self.links = Links((settings.host, settings.port), OUT if settings.rate is None else IDLE)
        self._start = self._end = 0
        self._going = 0  # connections that are not done
        self._complete = (
            0  # lines of complete writes; to ask each connection takes a while when there are many
        )

    def open(self) -> None:
        """Connect. Raises OSError."""
        self.links.open_all(self.connections)

    def send(self, start: int) -> None:
        """Send from `start` on, nanoseconds of time.monotonic, until all is handed over or the time is up."""
        self._start = start
        for_seconds = self._settings.duration
        self._end = start + round(for_seconds * _SECOND) if for_seconds is not None else 1 << 62
        self._going = len(self.connections)
        time.sleep(max(0.0, (start - time.monotonic_ns()) / _SECOND))
        for connection in self.connections:
            self._next(connection, start)
        if self._settings.rate is None:
            self._flat_out()
        else:
            self._as_planned()

    def finish(self) -> bool:
        """End each connection after its line; wait until the collector has read them. False if it has not."""
        self.links.end_all()
        for connection in self.connections:
            connection.leaving = True
            if connection.is_between_lines:
                if not connection.ended:
                    self.links.finish(connection)
            else:
                self.links.watch(connection, select.EPOLLOUT)
        left, since = self.links.open, time.monotonic()
        while self.links.open and time.monotonic() < since + PATIENCE:
            for connection in self.links.ready(_LOOK):
                self._push(connection)
            if self.links.open < left:
                left, since = self.links.open, time.monotonic()
            self._look(time.monotonic_ns())
        complete = not self.links.open
        self.links.close()
        return complete

    def late(self, now: int) -> int:
        """How many lines were due by then and are not handed over."""
        elapsed = min(now, self._end) - self._start
        due = sum(self._settings.due(connection.number, elapsed) for connection in self.connections)
        return max(0, due - self.sent)

    @property
    def sent(self) -> int:
        """How many lines were wholly handed to the kernel."""
        return sum(connection.sent for connection in self.connections)

    def _flat_out(self) -> None:
        now = time.monotonic_ns()
        while self._going and not self.stop and now < self._end:
            for connection in self.links.ready(self._patience(now, now + _SECOND)):
                self._push(connection)
            now = time.monotonic_ns()
            self._look(now)

    def _as_planned(self) -> None:
        turn, connections, planned = 0, self.connections, self._settings.planned
        due = now = self._start
        while self._going and not self.stop and now < self._end:
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
                    self._catch_up(connection, now, waited=True)
            elif self.links.next_retry <= time.monotonic():
                self.links.ready(0)
            now = time.monotonic_ns()
            self._look(now)
        if not self.stop:
            for connection in connections:
                self._catch_up(connection, self._end - 1)  # what was due since the last look

    def _catch_up(self, connection: Connection, now: int, *, waited: bool = False) -> None:
        """Send what is due on this connection, as far as it takes it."""
        if connection.sock is None or connection.connecting:
            return
        while connection.planned <= now and not connection.is_done:
            if not self._push(connection):
                self.links.watch(connection, select.EPOLLOUT if connection.leaving else OUT)
                return
        if waited and not connection.ended:
            self.links.watch(connection, IDLE)

    def _push(self, connection: Connection) -> bool:
        """Hand over what the connection takes; True if its write is complete."""
        try:
            if not connection.push():
                return False
        except OSError as error:
            self.links.lose(connection, error)
            return False
        if connection.leaving:
            self.links.finish(connection)
            return False
        now = time.monotonic_ns()
        self.latency.add(now - connection.planned)
        self._complete += connection.last - connection.first
        self._next(connection, now)
        return True

    def _next(self, connection: Connection, now: int) -> None:
        connection.next_write(self._lines)
        if connection.is_done:
            self._going -= 1
            self.links.finish(connection)
        elif self._settings.rate is None:
            connection.planned = now
        else:
            connection.planned = self._start + self._settings.planned(connection.number, connection.nth)

    def _patience(self, now: int, due: int) -> float:
        wait = max(0, min(due, self._end) - now) / _SECOND
        return max(0.0, min(wait, _LOOK, self.links.next_retry - now / _SECOND))

    def _look(self, now: int) -> None:
        """Do what need not be done for each write."""
        self.latency.settle()
        if now >= self._told + _LOOK * _SECOND:
            self._told = now
            links = self.links
            self._tell(Progress(at=now, lines=self._complete, reconnects=links.reconnects, open=links.open))
