"""What is sent to the collector and when, over one connection after another; no socket and no thread.

Each stream has connections of its own: first the streams of earlier runs, one by one until they are empty,
then this run's. On each connection blocks are sent in order, as far as a window of unacknowledged bytes
allows. A block that still takes lines is sent at once if nothing is unacknowledged; otherwise it fills up
while acks are awaited.

The collector answers with the last block that it has durably; the numbers after it are implicit. So a missing
block in between (dropped, set aside) ends the connection, and the next one starts after the gap. Lines that
are sent as messages, to a server that does not know blocks, are delivered at least once.

A lost connection is replaced after a pause. Pauses grow until an ack, not until a connection: two clients
that are taken for one would otherwise throw each other out without end. A block is suspected if the peer
hangs up while it is the oldest in flight. Blocks are then sent one at a time, and after five hang-ups in a
row, over five minutes or more, the block is set aside.
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
    """Delivers the content of a spool. `tell` receives each message for an operator, one line.

    For each connection: `connection_made`, then `feed` and `frames_to_send` whenever there is something,
    until the connection fails or `must_hang_up` is set; then `connection_lost`.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        name: str,
        tell: Callable[[str], None],
        window_bytes: int = WINDOW_BYTES,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.connections = 0
        self.welcome: Welcome | None = None
        """The answer of this connection's server, once it has come."""
        self.must_hang_up = False
        """True: close the connection now."""
        self.fault = ""
        """What is wrong with the server, if that is the reason."""
        self.is_finishing = False
        """True: close the connection when nothing is left to send."""
        self._spool = spool
        self._name = name
        self._tell = tell
        self._window_bytes = window_bytes
        self._jitter = jitter
        self._delays: Iterator[float] | None = None
        self._quarantine = Quarantine()
        self._last_sent = (b"", 0)  # this run's stream, and the highest of its blocks that was ever sent
        self._reset(spool.stream)

    @property
    def has_lines(self) -> bool:
        """Return whether there is something to send."""
        return self._spool.lines > 0

    @property
    def can_send_now(self) -> bool:
        """Return whether a new line would be sent at once."""
        return self.welcome is not None and not self._window.unanswered and not self._quarantine.has_suspect

    @property
    def awaits_answer(self) -> bool:
        """Return whether something is sent that the collector has not answered yet."""
        return self.welcome is None or self._is_closing or bool(self._window.unanswered)

    def connection_made(self) -> bytes:
        """Start a new connection; return its first bytes."""
        self._reset(next(iter(self._spool.streams()), self._spool.stream))
        self.connections += 1
        return self._window.session.hello()

    def feed(self, data: bytes) -> None:
        """Handle bytes from the collector. Raises SpoolError."""
        try:
            self._feed(data)
        except SpoolError:
            self.must_hang_up = True  # it is not known any more what is in flight
            raise

    def frames_to_send(self) -> list[bytes | memoryview]:
        """Return what is to be sent now, in pieces. Raises SpoolError."""
        if self.welcome is None or self.must_hang_up or self._is_closing:
            return []
        try:
            return self._collect_frames(self.welcome)
        except SpoolError:
            self.must_hang_up = True
            raise

    def connection_lost(self, *, by_peer: bool) -> float:
        """End a connection that is gone or could not be made; return the seconds to wait before the next.

        `by_peer`: the other side hung up. Raises SpoolError.
        """
        was_closing, stream = self._is_closing, self._window.stream
        is_suspect = by_peer and not self.must_hang_up and not was_closing and self._window.block_count > 0
        self._reset(self._spool.stream)
        if was_closing:
            return 0.0
        if is_suspect and self._quarantine.record_hangup((stream, self._spool.lowest(stream))):
            self._set_aside(stream, self._quarantine.reason)
            self._quarantine.clear()
        if self._delays is None:
            self._delays = delays(self._jitter)
        return next(self._delays)

    def trim_spool(self, max_bytes: int) -> None:
        """Drop the oldest blocks until the spool holds at most `max_bytes`, as far as that is possible."""
        spool, window = self._spool, self._window
        while spool.size > max_bytes and spool.drop_oldest(window.stream, window.block_count):
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
            # After `close` the collector forgets the stream, so its blocks must not come back, not even
            # after a power failure.
            self._spool.sync_removals()
            self._is_closing = True
            out.append(self._window.session.close())
        return out

    def _next_frame(self, welcome: Welcome) -> list[bytes | memoryview] | None:
        """Return the next frame, or None if none may be sent now."""
        window = self._window
        if window.is_full:
            return None
        if window.has_unsent_messages:
            return window.send_message()
        block = self._next_block(welcome)
        if block is None:
            return None
        frame = window.send_block(block, welcome)
        if window.stream == self._spool.stream and block.number > self._highest_sent():
            self._last_sent = (window.stream, block.number)
        return frame

    def _next_block(self, welcome: Welcome) -> Block | None:
        """Return the block that may be sent now, if any; set aside one that is too large for the server."""
        window = self._window
        while window.block_count < len(blocks := self._spool.blocks(window.stream)):
            block = blocks[window.block_count]
            is_too_large = welcome.lines and block.size > welcome.max_data
            if window.block_count and (is_too_large or self._must_wait(block)):
                return None
            if not is_too_large:
                return block if block.number == window.next_number else None
            reason = f"{block.size} bytes, and the collector accepts at most {welcome.max_data}"
            self._set_aside(window.stream, reason)
        return None

    def _must_wait(self, block: Block) -> bool:
        """Return whether a block may not be sent while others are unacknowledged."""
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
                    self.must_hang_up, self.fault = True, f"it refuses this client: {reason}"
                case ServerClosing() | Closed():
                    self.must_hang_up = True

    def _on_welcome(self, welcome: Welcome) -> None:
        self.welcome = welcome
        window, durable = self._window, welcome.durable or 0
        if durable > self._highest_sent():
            lines = sum(block.lines for block in self._spool.blocks(window.stream))
            self._tell(
                f"the collector has block {durable} of a stream whose block {self._highest_sent()} was sent "
                f"last: another client has used it; {lines} lines are sent again, some may be stored twice"
            )
            self._spool.rename_stream(window.stream)
            self.must_hang_up = True
            return
        self._spool.forget(window.stream, durable)
        window.next_number = max(window.next_number, durable + 1)

    def _highest_sent(self) -> int:
        """Return the highest block number that the collector can know."""
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

    def _set_aside(self, stream: bytes, reason: str) -> None:
        self._tell(self._spool.set_aside(stream, reason))
