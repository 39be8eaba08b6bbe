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
from nodelog.shipping.quarantine import Quarantine
from nodelog.shipping.window import Window
from nodelog.spool.blocks import SpoolError
from nodelog.wire.client_session import Acked, Closed, Event, Refused, Rejected, ServerClosing, Welcome
from nodelog.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nodelog.spool.blocks import Block
    from nodelog.spool.spool import Spool

WINDOW_BYTES: Final = 4 * 1024 * 1024
"""Bytes that may be unacknowledged, unless it is one block that is longer."""


class DeliverySession:
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
        window: int = WINDOW_BYTES,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.connections = 0
        self.welcome: Welcome | None = None
        """What the server of this connection said, once it has."""
        self.must_hang_up = False
        """True: hang up now."""
        self.fault = ""
        """What is wrong with the server, if that is why."""
        self.is_finishing = False
        """True: close the connection when nothing is left to send."""
        self._spool = spool
        self._name = name
        self._tell = tell
        self._window_bytes = window
        self._jitter = draw
        self._delays: Iterator[float] | None = None
        self._quarantine = Quarantine()
        self._last_sent = (b"", 0)  # this run's stream, and the highest of its blocks that was ever sent
        self._reset(spool.stream)

    @property
    def has_lines(self) -> bool:
        """Tell whether there is something to send."""
        return self._spool.lines > 0

    @property
    def can_send_now(self) -> bool:
        """Tell whether a line could be sent at once."""
        return self.welcome is not None and not self._window.unanswered and not self._quarantine.has_suspect

    def connection_made(self) -> bytes:
        """Give the first bytes of a new connection."""
        self._reset(next(iter(self._spool.streams()), self._spool.stream))
        self.connections += 1
        return self._window.session.hello()

    def feed(self, data: bytes) -> None:
        """Take what the collector sent. Raises SpoolError."""
        try:
            self._feed(data)
        except SpoolError:
            self.must_hang_up = True  # we have lost track of what is in flight
            raise

    def frames_to_send(self) -> list[bytes | memoryview]:
        """Give what is to be sent now, in pieces. Raises SpoolError."""
        if self.welcome is None or self.must_hang_up or self._is_closing:
            return []
        try:
            return self._collect_frames(self.welcome)
        except SpoolError:
            self.must_hang_up = True
            raise

    def connection_lost(self, *, by_peer: bool) -> float:
        """Give the seconds to wait before the next connection, as this one is gone or could not be made.

        `by_peer`: the other side hung up, not we. Raises SpoolError.
        """
        orderly, stream = self._is_closing, self._window.stream
        is_suspect = by_peer and not self.must_hang_up and not orderly and self._window.block_count > 0
        self._reset(self._spool.stream)
        if orderly:
            return 0.0
        if is_suspect and self._quarantine.record_hangup((stream, self._spool.lowest(stream))):
            self._set_aside(stream, self._quarantine.reason)
            self._quarantine.clear()
        if self._delays is None:
            self._delays = delays(self._jitter)
        return next(self._delays)

    def trim_spool(self, most: int) -> None:
        """Drop the oldest blocks until the spool holds `most` bytes, as far as that is possible."""
        while self._spool.size > most and self._spool.drop_oldest(
            self._window.stream, self._window.block_count
        ):
            pass

    def _reset(self, stream: bytes) -> None:
        self.welcome = None
        self.must_hang_up = False
        self.fault = ""
        self._window = Window(self._spool, stream, self._name)
        self._rejection = ""
        self._is_closing = False

    def _collect_frames(self, welcome: Welcome) -> list[bytes | memoryview]:
        out: list[bytes | memoryview] = []
        while frame := self._next_frame(welcome):
            out += frame
        if not self._window.unanswered and self._window.is_complete(finishing=self.is_finishing):
            # The collector forgets the stream then: it must not come up again, not even after a power
            # failure.
            self._spool.sync_removals()
            self._is_closing = True
            out.append(self._window.session.close())
        return out

    def _next_frame(self, welcome: Welcome) -> list[bytes | memoryview] | None:
        """Give the next frame, if it may go."""
        flight = self._window
        if flight.is_full:
            return None
        if flight.has_unsent_messages:
            return flight.send_message()
        block = self._next_block(welcome)
        if block is None:
            return None
        frame = flight.send_block(block, welcome)
        if flight.stream == self._spool.stream and block.number > self._highest_sent():
            self._last_sent = (flight.stream, block.number)
        return frame

    def _next_block(self, welcome: Welcome) -> Block | None:
        """Give the block that may go now."""
        flight = self._window
        while flight.block_count < len(blocks := self._spool.blocks(flight.stream)):
            block = blocks[flight.block_count]
            is_too_large = welcome.lines and block.size > welcome.max_data
            if flight.block_count and (is_too_large or self._must_wait(block)):
                return None
            if not is_too_large:
                return block if block.number == flight.next_number else None
            why = f"{block.size} bytes, and the collector takes {welcome.max_data} at most"
            self._set_aside(flight.stream, why)
        return None

    def _must_wait(self, block: Block) -> bool:
        """Tell whether a block may not follow others that are unacknowledged."""
        if self._quarantine.has_suspect or self._spool.is_open(block):
            return True
        return self._window.byte_count + block.size > self._window_bytes

    def _feed(self, data: bytes) -> None:
        try:
            self._handle_events(self._window.session.feed(data))
        except WireError as error:
            self._handle_events(error.completed)
            self.must_hang_up, self.fault = True, f"it broke the protocol: {error}"

    def _handle_events(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Acked():
                    self._on_ack()
                case Rejected(reason=reason):
                    self._rejection = reason
                    self._on_ack()
                case Welcome():
                    self._on_welcome(event)
                case Refused(reason=reason):
                    self.must_hang_up, self.fault = True, f"it refuses us: {reason}"
                case ServerClosing() | Closed():
                    self.must_hang_up = True

    def _on_welcome(self, welcome: Welcome) -> None:
        self.welcome = welcome
        flight, durable = self._window, welcome.durable or 0
        if durable > self._highest_sent():
            lines = sum(block.lines for block in self._spool.blocks(flight.stream))
            self._tell(
                f"the collector has block {durable} of a stream whose block {self._highest_sent()} was sent "
                f"last: another has used it; {lines} lines are sent again, some of them may be there already"
            )
            self._spool.rename_stream(flight.stream)
            self.must_hang_up = True
            return
        self._spool.forget(flight.stream, durable)
        flight.next_number = max(flight.next_number, durable + 1)

    def _highest_sent(self) -> int:
        """Give the highest number that the collector can know."""
        stream = self._window.stream
        if stream == self._spool.stream:
            return self._last_sent[1] if self._last_sent[0] == stream else 0
        return self._spool.blocks(stream)[-1].number

    def _on_ack(self) -> None:
        self._delays = None
        self._quarantine.clear()
        block = self._window.pop_answered()
        if block is None:
            return
        if self._rejection:
            self._set_aside(self._window.stream, self._rejection)
            self._rejection = ""
        else:
            self._spool.forget(self._window.stream, block.number)

    def _set_aside(self, stream: bytes, why: str) -> None:
        self._tell(self._spool.set_aside(stream, why))
