"""One process of a load: gives its connections their lines, flat out or on schedule, until the load is over.

Flat out, a connection's next write is due the moment the previous one was handed over, so its latency is the
time that a connection waits for its turn. With a rate the schedule is fixed in advance (an open loop): a
collector that stalls makes the writes late that were due meanwhile, and each counts with the time it was
late.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.load.generator.connection_pool import ConnectionPool
from nodelog.load.generator.framing import framing
from nodelog.load.generator.latency_histogram import LatencyHistogram
from nodelog.load.generator.line_source import line_source
from nodelog.load.generator.line_stream import LineStream
from nodelog.load.generator.relp_stream import RelpStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.load.generator.connection import Connection
    from nodelog.load.generator.settings import Settings

_SECOND: Final = 1_000_000_000
_TICK: Final = 0.1
"""Seconds between two checks whether to stop, and between two progress reports."""
_FOREVER: Final = 1 << 62
DRAIN_TIMEOUT: Final = 30.0
"""Seconds to wait at the end, since the collector last closed a connection or acknowledged a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a process."""

    time: int
    """Nanoseconds of time.monotonic."""
    lines: int
    """Lines of writes that were completely handed over."""
    reconnects: int
    connections: int
    """Connections that have a socket."""


class Sender:
    """Sends the lines of one process. `on_progress` is called every tenth of a second."""

    def __init__(self, settings: Settings, process: int, on_progress: Callable[[Progress], None]) -> None:
        self.stop_requested = False
        self.latency = LatencyHistogram()
        self.ack_latency = LatencyHistogram()
        self._settings = settings
        self._lines = settings.write_lines
        self._on_progress = on_progress
        self._progress_at = 0
        self.connections = _connections(settings, process, self.ack_latency)
        self.pool = ConnectionPool((settings.host, settings.port), self.connections)
        self._serve: Callable[[Connection], object] = (
            self._send_write if settings.protocol == "lines" else self._fill_window
        )
        self._start = self._end = 0
        # Lines of complete writes; asking each connection would take a while when there are many.
        self._complete_lines = 0

    def connect(self) -> None:
        """Connect. Raises OSError."""
        self.pool.connect_all()

    def send(self, start: int) -> None:
        """Send from `start`, in nanoseconds of time.monotonic, until all is handed over or the time is up."""
        self._start = start
        duration = self._settings.duration
        self._end = start + round(duration * _SECOND) if duration is not None else _FOREVER
        time.sleep(max(0.0, (start - time.monotonic_ns()) / _SECOND))
        for connection in self.connections:
            self._start_next_write(connection, start)
            if connection.can_close:
                self.pool.finish(connection)
        if self._settings.rate is None:
            self._send_flat_out()
        else:
            self._send_on_schedule()

    def finish(self) -> bool:
        """End each connection after its current line or frame, and wait until the collector has everything.

        Return False if it has not. A stop request ends the wait, unless it came before this call.
        """
        for connection in self.connections:
            connection.stop()
        reconnects = self._settings.through_restarts
        self.pool.finish_all(give_up=not reconnects)
        left, since, stopped = (0, 0), time.monotonic(), self.stop_requested
        while (
            self.pool.is_busy
            and self.stop_requested == stopped
            and (reconnects or time.monotonic() < since + DRAIN_TIMEOUT)
        ):
            for connection in self.pool.poll(_TICK):
                self._serve(connection)
            if left != (left := (self.pool.open_count, self.sent)):
                since = time.monotonic()
            self._tick(time.monotonic_ns())
        complete = not self.pool.is_busy
        self.pool.close()
        return complete and not self.unacknowledged

    def late_lines(self, now: int) -> int:
        """Return the number of lines that were due by `now` and are not handed over."""
        elapsed = min(now, self._end) - self._start
        due = sum(self._settings.lines_due(connection.number, elapsed) for connection in self.connections)
        return max(0, due - sum(connection.written for connection in self.connections))

    @property
    def sent(self) -> int:
        """Number of lines that count as sent: handed to the kernel or, with RELP, acknowledged."""
        return sum(connection.sent for connection in self.connections)

    @property
    def unacknowledged(self) -> dict[int, int]:
        """Number of lines by connection that may be stored or not, without connections that have none."""
        left = {connection.number: connection.written - connection.sent for connection in self.connections}
        return {number: lines for number, lines in left.items() if lines}

    def _send_flat_out(self) -> None:
        now = time.monotonic_ns()
        while self.pool.unfinished and not self.stop_requested and now < self._end:
            for connection in self.pool.poll(self._poll_timeout(now, now + _SECOND)):
                self._serve(connection)
            now = time.monotonic_ns()
            self._tick(now)

    def _send_on_schedule(self) -> None:
        turn, connections, due_at = 0, self.connections, self._settings.due_at
        due = now = self._start
        while self.pool.unfinished and not self.stop_requested and now < self._end:
            while due <= now and due < self._end:
                index, which = divmod(turn, len(connections))
                if connections[which].write_index == index:  # else it is late or done
                    self._send_due(connections[which], now)
                turn += 1
                index, which = divmod(turn, len(connections))
                due = self._start + due_at(connections[which].number, index)
            # select, because epoll itself cannot wait for less than a millisecond
            now = time.monotonic_ns()
            if select.select([self.pool.epoll], [], [], self._poll_timeout(now, due))[0]:
                for connection in self.pool.poll(0):
                    self._send_due(connection, min(now, self._end - 1))
            elif self.pool.next_retry_at <= time.monotonic():
                self.pool.poll(0)
            now = time.monotonic_ns()
            self._tick(now)
        if not self.stop_requested:
            for connection in connections:
                self._send_due(connection, self._end - 1)  # what became due since the last poll

    def _send_due(self, connection: Connection, now: int) -> None:
        """Send what is due on this connection, as far as it takes it."""
        if connection.sock is None or connection.is_connecting or connection.is_closing:
            return
        connection.is_blocked = False
        while (connection.due_at <= now or connection.has_resends) and not connection.is_done:
            if not self._send_write(connection):
                break
        self.pool.update_events(connection)

    def _fill_window(self, connection: Connection) -> None:
        """Send what the window takes. The window is limited, so no other connection waits for long."""
        self._send_due(connection, _FOREVER)

    def _send_write(self, connection: Connection) -> bool:
        """Send as much of the write as the connection takes; return True if another write may follow."""
        try:
            is_complete = connection.send()
        except OSError as error:
            self.pool.drop(connection, error)
            return False
        if is_complete:
            now = time.monotonic_ns()
            self.latency.add(now - connection.due_at)
            self._complete_lines += connection.write_end - connection.write_start
            self._start_next_write(connection, now)
        if connection.can_close:
            self.pool.finish(connection)
            return False
        return is_complete

    def _start_next_write(self, connection: Connection, now: int) -> None:
        connection.start_next_write(self._lines)
        if self._settings.rate is None:
            connection.due_at = now
        else:
            connection.due_at = self._start + self._settings.due_at(connection.number, connection.write_index)

    def _poll_timeout(self, now: int, due: int) -> float:
        wait = max(0, min(due, self._end) - now) / _SECOND
        return max(0.0, min(wait, _TICK, self.pool.next_retry_at - now / _SECOND))

    def _tick(self, now: int) -> None:
        """Do what need not be done for each write."""
        self.latency.collect()
        self.ack_latency.collect()
        if now >= self._progress_at + _TICK * _SECOND:
            self._progress_at = now
            pool, lines = self.pool, self._complete_lines
            progress = Progress(
                time=now, lines=lines, reconnects=pool.reconnects, connections=pool.open_count
            )
            self._on_progress(progress)


def _connections(settings: Settings, process: int, ack_latency: LatencyHistogram) -> list[Connection]:
    numbers = settings.connection_numbers(process)
    if settings.protocol == "lines":
        source = line_source(settings)
        return [LineStream(number, settings, source) for number in numbers]
    frames = framing(settings)
    return [RelpStream(number, settings, frames, ack_latency.add) for number in numbers]
