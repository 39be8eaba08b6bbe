"""One connection after another, step by step: each step does what is due and returns how long to wait.

A driver itself never waits; its thread or event loop does. The first line after an idle time wakes it. After
that it lingers for a millisecond without asking to be woken, so that a busy program pays for a wake-up once
in a while and not for each line. With the spool in memory it need not be woken while acks are awaited either,
as these will wake it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nodelog.shipping.engine import RETRY_SECONDS, ShippingEngine
from nodelog.shipping.network.name_lookup import LOOKUP_SECONDS, NO_ANSWER, NameLookup, lookup_failure
from nodelog.shipping.network.path_check import CHECK_SECONDS
from nodelog.shipping.network.tcp_connection import TcpConnection, format_endpoint
from nodelog.spool.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.shipping.network.name_lookup import Endpoint
    from nodelog.shipping.settings import Settings

LINGER_SECONDS: Final = 0.001
"""The time to let lines gather after a step that found some."""
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
"""The time after which it is reported that a collector does not answer."""
NEVER: Final = float("inf")


class Driver:
    """Ships lines to the collector until `finish`, one step after another.

    `wake` is called from another thread when a step is due before its time.
    """

    def __init__(self, settings: Settings, engine: ShippingEngine, wake: Callable[[], None]) -> None:
        self.engine = engine
        self.adopts_orphans = False
        """Set it to have the next step take over what ended child processes left; then it is False again."""
        self.connection: TcpConnection | None = None
        """To be waited for, together with lines."""
        self._hosts = " or ".join(settings.hosts)
        self._session = engine.session
        self._lookup = NameLookup(settings.hosts, settings.port, wake)
        self._untried: list[Endpoint] = []  # endpoints of this round
        self._deadline = 0.0  # when to connect, or when an answer is overdue
        self._check_time = 0.0  # when to check the path of the connection
        self._end_time = NEVER  # when to end, whatever is left
        self._linger_until = 0.0  # when to ask again to be woken for a line

    @property
    def is_finished(self) -> bool:
        """Return whether no further step is to be taken."""
        is_closed = self._session.is_finishing and self._session.welcome is None
        return is_closed or time.monotonic() >= self._end_time

    def finish(self, timeout: float) -> None:
        """Finish when nothing is left to send, or `timeout` seconds from now."""
        self._end_time = time.monotonic() + timeout

    def close(self) -> None:
        """Release everything, after the last step."""
        if self.connection is not None:
            self.connection.close()
        if self._lookup.is_pending and self.engine.queue.unacknowledged:
            self.engine.report_no_lookup(NO_ANSWER)
        self.engine.queue.close()
        self.engine.close()

    def step(self, *, is_ready: bool) -> float:
        """Do all that is due; return the seconds to wait for something to happen.

        `is_ready`: the connection has something to read, or has been made.
        """
        self._session.is_finishing = self._end_time != NEVER and not self.engine.queue.unacknowledged
        if self.adopts_orphans:
            self.adopts_orphans = False
            self.engine.adopt_orphans()
        connection = self.connection
        received = self._receive(connection) if connection and is_ready else []
        can_send = connection is not None and not connection.failure
        came, frames = self.engine.step(received, can_send=can_send)
        if connection is not None:
            self._send(connection, frames)
        elif self._session.has_lines and (self._lookup.is_done or time.monotonic() >= self._deadline):
            self._connect()
        return self._seconds_to_wait(came=came)

    def _receive(self, connection: TcpConnection) -> list[bytes]:
        """Return what the collector sent; start the session if the connection has just been made."""
        if not connection.is_connecting:
            return connection.read()
        if connection.finish_connecting():
            self._untried.clear()
            self._deadline = time.monotonic() + ANSWER_SECONDS
            connection.write([self._session.connection_made()])
        return []

    def _send(self, connection: TcpConnection, frames: list[bytes | memoryview]) -> None:
        """Send these frames; close the connection if it has failed or the session is over."""
        if not connection.is_connecting and not connection.failure and not self._session.must_hang_up:
            connection.write(frames)
        if not self._session.welcome and time.monotonic() >= self._deadline:
            self._handle_missing_answer(connection)
        self._check_path(connection)
        if connection.failure or self._session.must_hang_up:
            self._hang_up(connection)

    def _handle_missing_answer(self, connection: TcpConnection) -> None:
        """Give up connecting; but once connected, wait on: a collector with a stuck disk does not answer."""
        if connection.is_connecting:
            connection.failure = "no answer"
        else:
            self.engine.report_no_answer()
            self._deadline = NEVER

    def _check_path(self, connection: TcpConnection) -> None:
        """Notice that the other side's kernel is gone; a late answer alone means nothing."""
        if self._session.awaits_answer and time.monotonic() >= self._check_time:
            self._check_time = time.monotonic() + CHECK_SECONDS
            connection.check_path(time.monotonic())

    def _connect(self) -> None:
        """Start to connect to the next endpoint, or to look up where that is."""
        self.engine.destination = self._hosts
        was_pending = self._lookup.is_pending
        try:
            endpoints = self._untried or self._lookup.take_result()
        except OSError as error:
            seconds = self.engine.connection_lost(lookup_failure(error))
        else:
            seconds = (
                self._connect_to(endpoints) if endpoints else self._await_lookup(was_pending=was_pending)
            )
        self._deadline = time.monotonic() + seconds

    def _await_lookup(self, *, was_pending: bool) -> float:
        """Return the seconds until a lookup takes too long; report one that does."""
        if not was_pending:
            return LOOKUP_SECONDS
        self.engine.report_no_lookup(NO_ANSWER)
        return NEVER

    def _connect_to(self, endpoints: list[Endpoint]) -> float:
        """Start to connect to the first of these endpoints; return the seconds that this may take."""
        endpoint, *self._untried = endpoints
        self.engine.destination = format_endpoint(endpoint)
        try:
            self.connection = TcpConnection(endpoint)
        except OSError as error:  # the program has too many open files, or the node lacks the family
            return self.engine.connection_lost(error.strerror or str(error))
        return CONNECT_SECONDS

    def _hang_up(self, connection: TcpConnection) -> None:
        """Close the connection and schedule the next one."""
        connection.close()
        self.connection = None
        try_next = connection.is_connecting and self._untried
        pause = 0.0
        if not try_next:
            pause = self.engine.connection_lost(connection.failure, by_peer=connection.closed_by_peer)
        self._deadline = time.monotonic() + pause

    def _seconds_to_wait(self, *, came: bool) -> float:
        queue = self.engine.queue
        now = time.monotonic()
        if came:
            self._linger_until = now + LINGER_SECONDS
        if now < self._linger_until:  # an ack is no reason to be woken for each line again
            return 0.0 if queue.request_wakeup(BLOCK_BYTES) else self._linger_until - now
        if self.engine.spool_error:
            return min(RETRY_SECONDS, self._seconds_to_deadline())
        return 0.0 if queue.request_wakeup(self._wakeup_bytes()) else self._seconds_to_deadline()

    def _wakeup_bytes(self) -> int:
        """Return the bytes of waiting lines that are worth a step."""
        could_send = self._session.can_send_now if self.connection else self._deadline <= time.monotonic()
        return 1 if could_send or self.engine.spool.is_persistent else BLOCK_BYTES

    def _seconds_to_deadline(self) -> float:
        """Return the seconds until something is due even if nothing happens."""
        now, session, due = time.monotonic(), self._session, NEVER
        if not session.welcome if self.connection else self._deadline > now or session.has_lines:
            due = self._deadline
        if self.connection and session.awaits_answer:
            due = min(due, self._check_time)
        return max(0.0, min(self._end_time, due) - now)
