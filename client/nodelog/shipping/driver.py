"""One connection after the other, in turns: what is due now, and how long to wait then, without waiting.

Who waits, a thread or an event loop, wakes for the first line after a rest; then it rests a millisecond
without asking to be woken, so that a busy program pays for a wake-up once in a while and not with each line.
With the spool in memory it need not be woken either while acks are awaited, as they will wake it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nodelog.shipping.engine import RETRY, Carrier
from nodelog.shipping.tcp_connection import Link, named, places
from nodelog.spool.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from nodelog.shipping.settings import Settings
    from nodelog.shipping.tcp_connection import Place

NAP: Final = 0.001
"""Seconds to let lines gather after a turn that found some."""
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
"""After which it is told that a collector does not answer."""
NEVER: Final = float("inf")


class Runner:
    """Carries what there is to the collector until it is told to finish."""

    def __init__(self, settings: Settings, carrier: Carrier) -> None:
        self.carrier = carrier
        self.link: Link | None = None
        """To be waited for, beside lines."""
        self._settings = settings
        self._courier = carrier.courier
        self._places: list[Place] = []  # that were not tried yet
        self._due = 0.0  # when to connect, or to miss an answer
        self._end = NEVER  # when to end, whatever is left
        self._rested = 0.0  # when to be woken for a line again

    @property
    def is_over(self) -> bool:
        """Tell whether to take no more turns."""
        said_goodbye = self._courier.finishing and self._courier.welcome is None
        return said_goodbye or time.monotonic() >= self._end

    def finish(self, timeout: float) -> None:
        """End when nothing is left to send, or `timeout` seconds later."""
        self._end = time.monotonic() + timeout

    def close(self) -> None:
        """Let go of everything, after the last turn."""
        if self.link is not None:
            self.link.close()
        self.carrier.intake.close()
        self.carrier.close()

    def turn(self, *, is_ready: bool) -> float:
        """Do what there is to do; give the seconds to wait for something to happen.

        `is_ready`: the link has something to read, or is connected.
        """
        self._courier.finishing = self._end != NEVER and not self.carrier.intake.left
        link = self.link
        received = self._receive(link) if link and is_ready else []
        came, frames = self.carrier.turn(received, sends=link is not None and not link.failure)
        if link is not None:
            self._send(link, frames)
        elif self._courier.is_wanted and time.monotonic() >= self._due:
            self._connect()
        return self._patience(came=came)

    def _receive(self, link: Link) -> list[bytes]:
        """Give what the collector sent."""
        if not link.is_connecting:
            return link.read()
        if link.connected():
            self._places.clear()
            self._due = time.monotonic() + ANSWER_SECONDS
            link.write([self._courier.begin()])
        return []

    def _send(self, link: Link, frames: list[bytes | memoryview]) -> None:
        """Send this, unless the connection has come to its end."""
        if not link.is_connecting and not link.failure and not self._courier.ended:
            link.write(frames)
        if not self._courier.welcome and time.monotonic() >= self._due:
            self._miss_answer(link)
        if link.failure or self._courier.ended:
            self._hang_up(link)

    def _miss_answer(self, link: Link) -> None:
        """Give up connecting, but wait on for who listens: a collector whose disk is stuck says nothing."""
        if link.is_connecting:
            link.failure = "no answer"
        else:
            self.carrier.wait_for_answer()
            self._due = NEVER

    def _connect(self) -> None:
        """Begin to connect to the next of the places."""
        settings = self._settings
        self.carrier.place = " or ".join(settings.hosts)
        try:
            self._places = self._places or places(settings.hosts, settings.port)
            place = self._places.pop(0)
            self.carrier.place = named(place)
            self.link = Link(place)
        except OSError as error:  # nobody knows the name, or the program has too many files open
            seconds = self.carrier.lost(error.strerror or str(error))
        else:
            seconds = CONNECT_SECONDS
        self._due = time.monotonic() + seconds

    def _hang_up(self, link: Link) -> None:
        """Close the connection, and see when to make the next one."""
        link.close()
        self.link = None
        another = link.is_connecting and self._places
        pause = 0.0 if another else self.carrier.lost(link.failure, by_peer=link.was_hung_up)
        self._due = time.monotonic() + pause

    def _patience(self, *, came: bool) -> float:
        intake = self.carrier.intake
        now = time.monotonic()
        if came:
            self._rested = now + NAP
        if now < self._rested:  # an ack is no reason to be woken for each line again
            return 0.0 if intake.wake_at(BLOCK_BYTES) else self._rested - now
        if self.carrier.trouble:
            return min(RETRY, self._until_due())
        return 0.0 if intake.wake_at(self._wanted()) else self._until_due()

    def _wanted(self) -> int:
        """Give the bytes of waiting lines that are worth a turn."""
        could_send = self._courier.is_idle if self.link else self._due <= time.monotonic()
        return 1 if could_send or self.carrier.spool.is_lasting else BLOCK_BYTES

    def _until_due(self) -> float:
        """Give the seconds until something is due, whatever happens."""
        now = time.monotonic()
        waits = not self._courier.welcome if self.link else self._due > now or self._courier.is_wanted
        return max(0.0, min(self._end, self._due if waits else NEVER) - now)
