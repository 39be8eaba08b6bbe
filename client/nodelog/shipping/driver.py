"""One connection after the other, in turns: what is due now, and how long to wait then, without waiting.

Who waits, a thread or an event loop, wakes for the first line after a rest; then it rests a millisecond
without asking to be woken, so that a busy program pays for a wake-up once in a while and not with each line.
With the spool in memory it need not be woken either while acks are awaited, as they will wake it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nodelog.shipping.engine import RETRY_SECONDS, ShippingEngine
from nodelog.shipping.tcp_connection import TcpConnection, format_endpoint, resolve
from nodelog.spool.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from nodelog.shipping.settings import Settings
    from nodelog.shipping.tcp_connection import Endpoint

LINGER_SECONDS: Final = 0.001
"""Seconds to let lines gather after a turn that found some."""
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
"""After which it is told that a collector does not answer."""
NEVER: Final = float("inf")


class Driver:
    """Carries what there is to the collector until it is told to finish."""

    def __init__(self, settings: Settings, carrier: ShippingEngine) -> None:
        self.engine = carrier
        self.connection: TcpConnection | None = None
        """To be waited for, beside lines."""
        self._settings = settings
        self._session = carrier.session
        self._untried: list[Endpoint] = []  # that were not tried yet
        self._deadline = 0.0  # when to connect, or to miss an answer
        self._end_time = NEVER  # when to end, whatever is left
        self._linger_until = 0.0  # when to be woken for a line again

    @property
    def is_finished(self) -> bool:
        """Tell whether to take no more turns."""
        said_goodbye = self._session.is_finishing and self._session.welcome is None
        return said_goodbye or time.monotonic() >= self._end_time

    def finish(self, timeout: float) -> None:
        """End when nothing is left to send, or `timeout` seconds later."""
        self._end_time = time.monotonic() + timeout

    def close(self) -> None:
        """Let go of everything, after the last turn."""
        if self.connection is not None:
            self.connection.close()
        self.engine.queue.close()
        self.engine.close()

    def step(self, *, is_ready: bool) -> float:
        """Do what there is to do; give the seconds to wait for something to happen.

        `is_ready`: the link has something to read, or is connected.
        """
        self._session.is_finishing = self._end_time != NEVER and not self.engine.queue.unacknowledged
        link = self.connection
        received = self._receive(link) if link and is_ready else []
        came, frames = self.engine.step(received, sends=link is not None and not link.failure)
        if link is not None:
            self._send(link, frames)
        elif self._session.has_lines and time.monotonic() >= self._deadline:
            self._connect()
        return self._seconds_to_wait(came=came)

    def _receive(self, link: TcpConnection) -> list[bytes]:
        """Give what the collector sent."""
        if not link.is_connecting:
            return link.read()
        if link.finish_connecting():
            self._untried.clear()
            self._deadline = time.monotonic() + ANSWER_SECONDS
            link.write([self._session.connection_made()])
        return []

    def _send(self, link: TcpConnection, frames: list[bytes | memoryview]) -> None:
        """Send this, unless the connection has come to its end."""
        if not link.is_connecting and not link.failure and not self._session.must_hang_up:
            link.write(frames)
        if not self._session.welcome and time.monotonic() >= self._deadline:
            self._handle_missing_answer(link)
        if link.failure or self._session.must_hang_up:
            self._hang_up(link)

    def _handle_missing_answer(self, link: TcpConnection) -> None:
        """Give up connecting, but wait on for who listens: a collector whose disk is stuck says nothing."""
        if link.is_connecting:
            link.failure = "no answer"
        else:
            self.engine.report_no_answer()
            self._deadline = NEVER

    def _connect(self) -> None:
        """Begin to connect to the next of the places."""
        settings = self._settings
        self.engine.destination = " or ".join(settings.hosts)
        try:
            self._untried = self._untried or resolve(settings.hosts, settings.port)
            place = self._untried.pop(0)
            self.engine.destination = format_endpoint(place)
            self.connection = TcpConnection(place)
        except OSError as error:  # nobody knows the name, or the program has too many files open
            seconds = self.engine.connection_lost(error.strerror or str(error))
        else:
            seconds = CONNECT_SECONDS
        self._deadline = time.monotonic() + seconds

    def _hang_up(self, link: TcpConnection) -> None:
        """Close the connection, and see when to make the next one."""
        link.close()
        self.connection = None
        another = link.is_connecting and self._untried
        pause = 0.0 if another else self.engine.connection_lost(link.failure, by_peer=link.closed_by_peer)
        self._deadline = time.monotonic() + pause

    def _seconds_to_wait(self, *, came: bool) -> float:
        intake = self.engine.queue
        now = time.monotonic()
        if came:
            self._linger_until = now + LINGER_SECONDS
        if now < self._linger_until:  # an ack is no reason to be woken for each line again
            return 0.0 if intake.request_wakeup(BLOCK_BYTES) else self._linger_until - now
        if self.engine.spool_error:
            return min(RETRY_SECONDS, self._seconds_to_deadline())
        return 0.0 if intake.request_wakeup(self._wakeup_bytes()) else self._seconds_to_deadline()

    def _wakeup_bytes(self) -> int:
        """Give the bytes of waiting lines that are worth a turn."""
        could_send = self._session.can_send_now if self.connection else self._deadline <= time.monotonic()
        return 1 if could_send or self.engine.spool.is_persistent else BLOCK_BYTES

    def _seconds_to_deadline(self) -> float:
        """Give the seconds until something is due, whatever happens."""
        now = time.monotonic()
        waits = (
            not self._session.welcome if self.connection else self._deadline > now or self._session.has_lines
        )
        return max(0.0, min(self._end_time, self._deadline if waits else NEVER) - now)
