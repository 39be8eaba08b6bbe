"""What goes to the collector and when: one connection after the other, without a socket or a thread.

Each stream has connections of its own: first those of earlier runs, one by one until they are empty, then
this run's. On each, blocks go in order as far as a window of unacknowledged bytes allows. A block that is
still being filled goes at once if nothing is unacknowledged, else it is filled while acks are awaited.

The collector answers with the last block that it has for good; numbers are implicit from there. So a block
that is missing in between (dropped, set aside) ends the connection, and the next one begins behind it. A
server that knows no blocks gets each line as a message, at least once.

A connection that was lost is made again after a pause; pauses grow until an ack, not until a connection: two
clients that are taken for one would drive each other out without end. A block is blamed if the peer hangs up
while it is the oldest one. It then goes alone, and after five times in a row, over five minutes or more, it
is set aside.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Final

from nodelog.backoff import delays
from nodelog.shipping.lines import messages
from nodelog.shipping.suspicion import Suspicion
from nodelog.spool.blocks import SpoolError
from nodelog.wire.client import (
    Acked,
    ClientSession,
    Closed,
    Event,
    Refused,
    Rejected,
    ServerClosing,
    Welcome,
)
from nodelog.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nodelog.spool.blocks import Block
    from nodelog.spool.memory import Spool

WINDOW: Final = 4 * 1024 * 1024
"""Bytes that may be unacknowledged, unless it is one block that is longer."""
_FRAMES: Final = 128  # that may be unacknowledged; a server may have a limit of 1024


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
        self._closing = False
        self._clear()

    @property
    def is_wanted(self) -> bool:
        """Tell whether there is something to send."""
        return self._spool.lines > 0

    @property
    def is_idle(self) -> bool:
        """Tell whether a line could be sent at once."""
        return self.welcome is not None and not self._unanswered and not self._suspicion

    def begin(self) -> bytes:
        """Give the first bytes of a new connection."""
        self._clear()
        self.connections += 1
        self._stream = next(iter(self._spool.streams()), self._spool.stream)
        self._number = self._spool.lowest(self._stream)
        self._session = ClientSession(stream=(self._stream, self._number), name=self._name)
        return self._session.hello()

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
        orderly, stream = self._closing, self._stream
        is_suspect = by_peer and not self.ended and not orderly and self._in_flight > 0
        self._clear()
        if orderly:
            return 0.0
        if is_suspect:
            self._blame(stream)
        if self._delays is None:
            self._delays = delays(self._draw)
        return next(self._delays)

    def make_room(self, most: int) -> None:
        """Drop the oldest blocks until the spool holds `most` bytes, as far as that is possible."""
        while self._spool.size > most and self._spool.drop_oldest(self._stream, self._in_flight):
            pass

    def _clear(self) -> None:
        self.welcome = None
        self.ended = False
        self.fault = ""
        self._stream = self._spool.stream
        self._number = 0  # that the collector gives the next block
        self._in_flight = 0  # blocks of the stream, the first ones
        self._bytes = 0  # in them
        self._unanswered: deque[Block | None] = deque()  # frames; the last one of a block has it
        self._messages: deque[bytes] = deque()  # of the last block in flight that are still to be sent
        self._rejected = ""
        self._closing = False

    def _frames(self, welcome: Welcome) -> list[bytes | memoryview]:
        out: list[bytes | memoryview] = []
        while frame := self._frame(welcome):
            out += frame
        if not self._unanswered and self._is_done():
            # The collector forgets the stream then: it must not come up again, not even after a power
            # failure.
            self._spool.settle_for_good()
            self._closing = True
            out.append(self._session.close())
        return out

    def _frame(self, welcome: Welcome) -> list[bytes | memoryview] | None:
        """Give the next frame, if it may go."""
        if self._session.exhausted or len(self._unanswered) >= _FRAMES:
            return None
        if not self._messages:
            block = self._next(welcome)
            if block is None:
                return None
            if welcome.lines:
                frame = self._session.block(self._spool.read(block))
                self._begin_block(block)
                self._unanswered.append(block)
                return list(frame)
            self._messages.extend(messages(self._spool.read(block), welcome.max_data))
            self._begin_block(block)
        message = self._session.message(self._messages.popleft())
        last = self._spool.blocks(self._stream)[self._in_flight - 1]
        self._unanswered.append(None if self._messages else last)
        return [message]

    def _begin_block(self, block: Block) -> None:
        self._spool.seal(block)
        self._in_flight += 1
        self._bytes += block.size
        self._number = block.number + 1
        if self._stream == self._spool.stream:
            self._sent = (self._stream, block.number) if block.number > self._highest() else self._sent

    def _next(self, welcome: Welcome) -> Block | None:
        """Give the block that may go now."""
        while self._in_flight < len(blocks := self._spool.blocks(self._stream)):
            block = blocks[self._in_flight]
            is_too_large = welcome.lines and block.size > welcome.max_data
            if self._in_flight and (is_too_large or self._waits(block)):
                return None
            if not is_too_large:
                return block if block.number == self._number else None
            why = f"{block.size} bytes, and the collector takes {welcome.max_data} at most"
            self._set_aside(self._stream, why)
        return None

    def _waits(self, block: Block) -> bool:
        """Tell whether a block may not follow others that are unacknowledged."""
        if self._suspicion or self._spool.is_open(block):
            return True
        return self._bytes + block.size > self._window

    def _is_done(self) -> bool:
        """Tell whether nothing more can be sent over this connection."""
        blocks = self._spool.blocks(self._stream)
        if self._session.exhausted or (blocks and blocks[0].number != self._number):
            return True
        return not blocks and (self.finishing or self._stream != self._spool.stream)

    def _feed(self, data: bytes) -> None:
        try:
            self._handle(self._session.feed(data))
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
        durable = welcome.durable or 0
        if durable > self._highest():
            lines = sum(block.lines for block in self._spool.blocks(self._stream))
            self._tell(
                f"the collector has block {durable} of a stream whose block {self._highest()} was sent last: "
                f"another has used it; {lines} lines are sent again, some of them may be there already"
            )
            self._rename()
            return
        self._spool.forget(self._stream, durable)
        self._number = max(self._number, durable + 1)

    def _highest(self) -> int:
        """Give the highest number that the collector can know."""
        if self._stream == self._spool.stream:
            return self._sent[1] if self._sent[0] == self._stream else 0
        return self._spool.blocks(self._stream)[-1].number

    def _rename(self) -> None:
        self._spool.rename(self._stream)
        self.ended = True

    def _acked(self) -> None:
        self._delays = None
        self._suspicion.clear()
        block = self._unanswered.popleft()
        if block is None:
            return
        self._in_flight -= 1
        self._bytes -= block.size
        if self._rejected:
            self._set_aside(self._stream, self._rejected)
            self._rejected = ""
        else:
            self._spool.forget(self._stream, block.number)

    def _blame(self, stream: bytes) -> None:
        suspicion = self._suspicion
        if suspicion.finds_guilty((stream, self._spool.lowest(stream))):
            why = f"in {suspicion.seconds:.0f} s the collector hung up {suspicion.hangups} times"
            self._set_aside(stream, f"{why} while it was to take them")
            suspicion.clear()

    def _set_aside(self, stream: bytes, why: str) -> None:
        self._tell(self._spool.set_aside(stream, why))
