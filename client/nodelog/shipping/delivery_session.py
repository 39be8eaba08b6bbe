"""What goes to the collector and when: one connection after the other, without a socket or a thread.

Each stream has connections of its own: first those of earlier runs, one by one until they are empty, then
this run's. On each, blocks go in order as far as a window of unacknowledged bytes allows. A block that is
still being filled goes at once if nothing is unacknowledged, else it is filled while acks are awaited.

The collector answers with the last block that it has for good; numbers are implicit from there. So a block
that is missing in between (dropped, set aside) ends the connection, and the next one begins behind it. Lines
that go as messages, to a server that knows no blocks, go at least once.

A connection that was lost is made again after a pause; pauses grow until an ack, not until a connection: two
clients that are taken for one would drive each other out without end. A block is blamed if the peer hangs up
while it is the oldest one. It then goes alone, and after five times in a row, over five minutes or more, it
is set aside.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from nodelog.backoff import delays
from nodelog.shipping.quarantine import Suspicion
from nodelog.shipping.window import Flight
from nodelog.spool.blocks import SpoolError
from nodelog.wire.client_session import Acked, Closed, Event, Refused, Rejected, ServerClosing, Welcome
from nodelog.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nodelog.spool.blocks import Block
    from nodelog.spool.memory_spool import Spool

WINDOW: Final = 4 * 1024 * 1024
"""Bytes that may be unacknowledged, unless it is one block that is longer."""


class Courier:
    """Sends what a spool holds. `tell` is told, in a line, what an operator should know.

    For each connection: `begin()`, then `feed` and `frames` as often as there is something, until the
    connection fails or `ended` says to hang up; then `lost()`.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        name: str,
        tell: Callable[[str], None],
        window: int = WINDOW,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.connections = 0
        self.welcome: Welcome | None = None
        """What the server of this connection said, once it has."""
        self.ended = False
        """True: hang up now."""
        self.fault = ""
        """What is wrong with the server, if that is why."""
        self.finishing = False
        """True: close the connection when nothing is left to send."""
        self._spool = spool
        self._name = name
        self._tell = tell
        self._window = window
        self._draw = draw
        self._delays: Iterator[float] | None = None
        self._suspicion = Suspicion()
        self._sent = (b"", 0)  # this run's stream, and the highest of its blocks that was ever sent
        self._begin(spool.stream)

    @property
    def is_wanted(self) -> bool:
        """Tell whether there is something to send."""
        return self._spool.lines > 0

    @property
    def is_idle(self) -> bool:
        """Tell whether a line could be sent at once."""
        return self.welcome is not None and not self._flight.unanswered and not self._suspicion

    def begin(self) -> bytes:
        """Give the first bytes of a new connection."""
        self._begin(next(iter(self._spool.streams()), self._spool.stream))
        self.connections += 1
        return self._flight.session.hello()

    def feed(self, data: bytes) -> None:
        """Take what the collector sent. Raises SpoolError."""
        try:
            self._feed(data)
        except SpoolError:
            self.ended = True  # we have lost track of what is in flight
            raise

    def frames(self) -> list[bytes | memoryview]:
        """Give what is to be sent now, in pieces. Raises SpoolError."""
        if self.welcome is None or self.ended or self._closing:
            return []
        try:
            return self._frames(self.welcome)
        except SpoolError:
            self.ended = True
            raise

    def lost(self, *, by_peer: bool) -> float:
        """Give the seconds to wait before the next connection, as this one is gone or could not be made.

        `by_peer`: the other side hung up, not we. Raises SpoolError.
        """
        orderly, stream = self._closing, self._flight.stream
        is_suspect = by_peer and not self.ended and not orderly and self._flight.blocks > 0
        self._begin(self._spool.stream)
        if orderly:
            return 0.0
        if is_suspect and self._suspicion.finds_guilty((stream, self._spool.lowest(stream))):
            self._set_aside(stream, self._suspicion.evidence)
            self._suspicion.clear()
        if self._delays is None:
            self._delays = delays(self._draw)
        return next(self._delays)

    def make_room(self, most: int) -> None:
        """Drop the oldest blocks until the spool holds `most` bytes, as far as that is possible."""
        while self._spool.size > most and self._spool.drop_oldest(self._flight.stream, self._flight.blocks):
            pass

    def _begin(self, stream: bytes) -> None:
        self.welcome = None
        self.ended = False
        self.fault = ""
        self._flight = Flight(self._spool, stream, self._name)
        self._rejected = ""
        self._closing = False

    def _frames(self, welcome: Welcome) -> list[bytes | memoryview]:
        out: list[bytes | memoryview] = []
        while frame := self._frame(welcome):
            out += frame
        if not self._flight.unanswered and self._flight.is_over(finishing=self.finishing):
            # The collector forgets the stream then: it must not come up again, not even after a power
            # failure.
            self._spool.settle_for_good()
            self._closing = True
            out.append(self._flight.session.close())
        return out

    def _frame(self, welcome: Welcome) -> list[bytes | memoryview] | None:
        """Give the next frame, if it may go."""
        flight = self._flight
        if flight.is_full:
            return None
        if flight.is_within_block:
            return flight.send_message()
        block = self._next(welcome)
        if block is None:
            return None
        frame = flight.send(block, welcome)
        if flight.stream == self._spool.stream and block.number > self._highest():
            self._sent = (flight.stream, block.number)
        return frame

    def _next(self, welcome: Welcome) -> Block | None:
        """Give the block that may go now."""
        flight = self._flight
        while flight.blocks < len(blocks := self._spool.blocks(flight.stream)):
            block = blocks[flight.blocks]
            is_too_large = welcome.lines and block.size > welcome.max_data
            if flight.blocks and (is_too_large or self._waits(block)):
                return None
            if not is_too_large:
                return block if block.number == flight.number else None
            why = f"{block.size} bytes, and the collector takes {welcome.max_data} at most"
            self._set_aside(flight.stream, why)
        return None

    def _waits(self, block: Block) -> bool:
        """Tell whether a block may not follow others that are unacknowledged."""
        if self._suspicion or self._spool.is_open(block):
            return True
        return self._flight.size + block.size > self._window

    def _feed(self, data: bytes) -> None:
        try:
            self._handle(self._flight.session.feed(data))
        except WireError as error:
            self._handle(error.before)
            self.ended, self.fault = True, f"it broke the protocol: {error}"

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Acked():
                    self._acked()
                case Rejected(why=why):
                    self._rejected = why
                    self._acked()
                case Welcome():
                    self._welcomed(event)
                case Refused(why=why):
                    self.ended, self.fault = True, f"it refuses us: {why}"
                case ServerClosing() | Closed():
                    self.ended = True

    def _welcomed(self, welcome: Welcome) -> None:
        self.welcome = welcome
        flight, durable = self._flight, welcome.durable or 0
        if durable > self._highest():
            lines = sum(block.lines for block in self._spool.blocks(flight.stream))
            self._tell(
                f"the collector has block {durable} of a stream whose block {self._highest()} was sent last: "
                f"another has used it; {lines} lines are sent again, some of them may be there already"
            )
            self._spool.rename(flight.stream)
            self.ended = True
            return
        self._spool.forget(flight.stream, durable)
        flight.number = max(flight.number, durable + 1)

    def _highest(self) -> int:
        """Give the highest number that the collector can know."""
        stream = self._flight.stream
        if stream == self._spool.stream:
            return self._sent[1] if self._sent[0] == stream else 0
        return self._spool.blocks(stream)[-1].number

    def _acked(self) -> None:
        self._delays = None
        self._suspicion.clear()
        block = self._flight.answered()
        if block is None:
            return
        if self._rejected:
            self._set_aside(self._flight.stream, self._rejected)
            self._rejected = ""
        else:
            self._spool.forget(self._flight.stream, block.number)

    def _set_aside(self, stream: bytes, why: str) -> None:
        self._tell(self._spool.set_aside(stream, why))
