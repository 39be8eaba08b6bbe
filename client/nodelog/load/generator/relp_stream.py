"""A connection that speaks RELP: what is sent is what the collector has acknowledged.

Of what is not acknowledged no copy is kept: after a failure it is made again from its numbers. With a stream
write n is its block n + 1, at every try, and the collector says from which block on it wants them: each
line is stored once. Another server is sent again what it did not acknowledge: at least once.
"""

from __future__ import annotations

import secrets
import select
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from nodelog.load.generator.connection import Connection
from nodelog.wire.client_session import (
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
    from collections.abc import Callable, Sequence

    from nodelog.load.generator.framing import BlockFrames, MessageFrames
    from nodelog.load.generator.settings import Settings

_RECEIVE: Final = 64 * 1024


class Relp(Connection):
    """The lines of one connection in frames; `acked` is called with the nanoseconds each write took."""

    is_acknowledged = True

    def __init__(
        self,
        number: int,
        settings: Settings,
        frames: BlockFrames | MessageFrames,
        acked: Callable[[int], None],
    ) -> None:
        super().__init__(number, settings)
        self._settings = settings
        self._frames = frames
        self._tell = acked
        self._lines = settings.write_lines
        self._per_write = self._lines // frames.lines  # frames
        self._window = max(self._lines, settings.window // settings.line_size)  # lines
        self._stream = secrets.token_bytes(16)
        self._is_welcome = self._is_leaving = self._is_closed = False
        self._txnr = 0  # of the write under way; 0: none is
        self._at = 0  # the line to hand over next; lower than `first` where it is to be done again
        self._acked = self._acked_before = 0  # lines; before this socket
        # The end of each unacknowledged write, and when it was due.
        self._since: deque[tuple[int, int]] = deque()
        self._session = self._new_session()

    @property
    def handed(self) -> int:
        """How many lines were wholly handed to the kernel, once at least."""
        return max(self.first, self._acked)

    @property
    def sent(self) -> int:
        """How many lines are acknowledged."""
        return self._acked

    @property
    def is_done(self) -> bool:
        """True if all its lines are acknowledged."""
        return self._acked == self.quota

    @property
    def is_through(self) -> bool:
        """True if all its lines are acknowledged."""
        return self.is_done

    @property
    def is_behind(self) -> bool:  # type: ignore[override] # a fact of the moment here
        """True if lines are to be sent again."""
        return self._at < self.first

    def greet(self) -> None:
        """Send `open`, which offers the stream."""
        super().greet()
        self._session = self._new_session()
        hello = self._session.hello()
        assert self.sock is not None  # noqa: S101 (it has just been connected)
        if self.sock.send(hello) < len(hello):
            raise OSError("a new connection does not take a first frame")

    def await_welcome(self) -> None:
        """Wait for the answer to `open`."""
        try:
            while not self._is_welcome:
                if self.hear(select.EPOLLIN):
                    raise OSError("it says goodbye at once")
        except TimeoutError:
            raise OSError("no answer to RELP's open") from None

    def push(self) -> bool:
        """Hand over what is to be sent again, and what the kernel and the window take of the write."""
        if not self._is_welcome:
            return False
        was_behind = self.is_behind
        while self._at < self.first:
            if not self._hand_over(self._at, min(self._at + self._lines, self.first)):
                return False
        if was_behind and self.planned > time.monotonic_ns():
            return False
        if self.last == self.first or self.last - self._acked > self._window:
            return False
        if not self._hand_over(self.first, self.last):
            return False
        due = self.planned if self._settings.rate else time.monotonic_ns()
        self._since.append((self.last, due))
        return True

    def hear(self, event: int) -> bool:  # noqa: ARG002 (reading tells it all)
        """Take answers."""
        assert self.sock is not None  # noqa: S101 (it is watched, so it is open)
        try:
            data = self.sock.recv(_RECEIVE)
        except BlockingIOError:
            return False
        try:
            self._take(self._session.feed(data))
        except WireError as error:
            self._take(error.completed)
            raise OSError(str(error)) from None
        if not data and not (self.ended or self._is_leaving):
            raise OSError("it hung up")
        is_used_up = self._session.frames_left < self._per_write and not self._session.unacknowledged
        return not data or self._is_leaving or self._is_closed or is_used_up

    def stop(self) -> None:
        """Hand over no write that is not under way."""
        under_way = self._txnr and not self.is_behind
        self.quota = self.last if under_way else self.first
        self.last = self.quota

    def end(self) -> None:
        """Close; the collector forgets the stream."""
        assert self.sock is not None  # noqa: S101 (as above)
        self.sock.send(self._session.close())

    def _interest(self) -> int:
        is_waiting = self.blocked and self._is_welcome
        return select.EPOLLIN | select.EPOLLOUT if is_waiting else select.EPOLLIN

    def _new_session(self) -> ClientSession:
        settings = self._settings
        stream = (self._stream, self._acked // self._lines + 1) if settings.frames == "lines" else None
        return ClientSession(stream=stream, name=f"load {settings.run}", frames=settings.frames)

    def _hand_over(self, first: int, last: int) -> bool:
        """Send a write, or what is left of it; True if that is all."""
        if not self._txnr:
            frames = -(-(last - first) // self._frames.lines)
            if self._session.frames_left < frames:
                return False
            self._txnr = self._session.reserve_transactions(frames).start
        pieces = self._frames.pieces(self.number, first, last - first, self._txnr)
        size = sum(map(len, pieces))
        assert self.sock is not None  # noqa: S101 (only a connection that is open is pushed)
        try:
            self.offset += self.sock.sendmsg(_after(self.offset, pieces))
        except BlockingIOError:
            self.blocked = True
            return False
        self.blocked = self.offset < size
        if self.blocked:
            return False
        self.offset = self._txnr = 0
        self._at = last
        return True

    def _take(self, events: Sequence[Event]) -> None:
        acked = 0
        for event in events:
            match event:
                case Acked():
                    acked += 1
                case Welcome():
                    self._begin(event)
                case ServerClosing():
                    self._is_leaving = True
                case Closed():
                    self._is_closed = True
                case Refused(why) | Rejected(why):
                    self._acknowledge(self._acked + acked * self._frames.lines)
                    raise OSError(f"it refuses: {why}")
        if acked:
            self._acknowledge(self._acked + acked * self._frames.lines)

    def _begin(self, welcome: Welcome) -> None:
        """Go on behind what is stored."""
        if self._settings.frames == "lines" and not welcome.lines:
            raise OSError("it takes no blocks of lines, only messages: --frames syslog")
        if self._frames.data > welcome.max_data:
            raise OSError(f"frames of {self._frames.data} bytes, it takes {welcome.max_data} at most")
        if welcome.durable is not None:
            if welcome.durable > -(-self.first // self._lines):
                raise OSError(f"it has block {welcome.durable} of a stream that has not come so far")
            self._acknowledge(max(self._acked, welcome.durable * self._lines))
        self._at = self._acked
        self._is_welcome = True

    def _acknowledge(self, line: int) -> None:
        """Count the lines before this one, and the writes that are complete with them."""
        self._acked = min(line, self.last)  # the last block may be shorter
        since, now = self._since, time.monotonic_ns()
        while since and since[0][0] <= self._acked:
            self._tell(now - since.popleft()[1])

    def _rewind(self) -> bool:
        """Send again what is not acknowledged. Only an acknowledgement shows that the socket was of use."""
        was_of_use = self._acked > self._acked_before
        self._acked_before = self._at = self._acked
        self.first = self.handed  # messages of a write under way may be acknowledged
        self.offset = self._txnr = 0
        self._is_welcome = self._is_leaving = self._is_closed = False
        return was_of_use


def _after(offset: int, pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """Give what is left of pieces when so many bytes are gone."""
    if not offset:
        return pieces
    left: list[bytes | memoryview] = []
    for piece in pieces:
        if offset < len(piece):
            left.append(memoryview(piece)[offset:])
        offset = max(0, offset - len(piece))
    return left
