"""A connection that speaks RELP: lines count as sent once the collector has acknowledged them.

Unacknowledged lines are not kept: after a failure they are rebuilt from their numbers. With a stream, write n
is block n + 1 of the stream at every attempt, and the collector says which block it expects next: each line
is stored once. Other servers are sent everything again that they did not acknowledge: at least once.
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

    from nodelog.load.generator.framing import BlockFraming, MessageFraming
    from nodelog.load.generator.settings import Settings

_RECEIVE: Final = 64 * 1024


class RelpStream(Connection):
    """The lines of one connection in frames; `on_ack` is called with the nanoseconds that each write took."""

    has_acks = True

    def __init__(
        self,
        number: int,
        settings: Settings,
        framing: BlockFraming | MessageFraming,
        on_ack: Callable[[int], None],
    ) -> None:
        super().__init__(number, settings)
        self._settings = settings
        self._framing = framing
        self._on_ack = on_ack
        self._lines = settings.write_lines
        self._frames_per_write = self._lines // framing.lines_per_frame
        self._window = max(self._lines, settings.window // settings.line_size)  # lines
        self._stream_id = secrets.token_bytes(16)
        self._is_welcome = self._is_leaving = self._is_closed = False
        self._txnr = 0  # of the write that is partly sent; 0: none is
        self._next = 0  # the line to send next; below `write_start` where lines are sent again
        self._acked = self._acked_before = 0  # lines: all; those acknowledged before this socket
        # The end of each unacknowledged write, and when it was due.
        self._unacked: deque[tuple[int, int]] = deque()
        self._session = self._new_session()

    @property
    def written(self) -> int:
        """Number of lines that were completely handed to the kernel at least once."""
        return max(self.write_start, self._acked)

    @property
    def sent(self) -> int:
        """Number of lines that are acknowledged."""
        return self._acked

    @property
    def is_done(self) -> bool:
        """Whether all its lines are acknowledged."""
        return self._acked == self.quota

    @property
    def can_close(self) -> bool:
        """Whether all its lines are acknowledged."""
        return self.is_done

    @property
    def has_resends(self) -> bool:  # type: ignore[override] # it varies here
        """Whether lines are to be sent again."""
        return self._next < self.write_start

    def start_session(self) -> None:
        """Send `open`, which offers the stream."""
        super().start_session()
        self._session = self._new_session()
        hello = self._session.hello()
        assert self.sock is not None  # noqa: S101 (it has just been connected)
        if self.sock.send(hello) < len(hello):
            raise OSError("a new connection does not take a first frame")

    def wait_for_session(self) -> None:
        """Wait for the response to `open`."""
        try:
            while not self._is_welcome:
                if self.receive(select.EPOLLIN):
                    raise OSError("it closes at once")
        except TimeoutError:
            raise OSError("no answer to RELP's open") from None

    def send(self) -> bool:
        """Send lines again where needed, then as much of the write as the kernel and the window take."""
        if not self._is_welcome:
            return False
        had_resends = self.has_resends
        while self._next < self.write_start:
            if not self._send_lines(self._next, min(self._next + self._lines, self.write_start)):
                return False
        if had_resends and self.due_at > time.monotonic_ns():
            return False
        if self.write_end == self.write_start or self.write_end - self._acked > self._window:
            return False
        if not self._send_lines(self.write_start, self.write_end):
            return False
        due = self.due_at if self._settings.rate else time.monotonic_ns()
        self._unacked.append((self.write_end, due))
        return True

    def receive(self, events: int) -> bool:  # noqa: ARG002 (reading reveals everything)
        """Handle responses."""
        assert self.sock is not None  # noqa: S101 (its socket is polled, so it is open)
        try:
            data = self.sock.recv(_RECEIVE)
        except BlockingIOError:
            return False
        try:
            self._handle(self._session.feed(data))
        except WireError as error:
            self._handle(error.completed)
            raise OSError(str(error)) from None
        if not data and not (self.is_closing or self._is_leaving):
            raise OSError("it hung up")
        is_used_up = self._session.frames_left < self._frames_per_write and not self._session.unacknowledged
        return not data or self._is_leaving or self._is_closed or is_used_up

    def stop(self) -> None:
        """Send nothing beyond a write that is partly sent."""
        is_partly_sent = self._txnr and not self.has_resends
        self.quota = self.write_end if is_partly_sent else self.write_start
        self.write_end = self.quota

    def close_session(self) -> None:
        """Send `close`; the collector then forgets the stream."""
        assert self.sock is not None  # noqa: S101 (as above)
        self.sock.send(self._session.close())

    def _session_events(self) -> int:
        is_waiting = self.is_blocked and self._is_welcome
        return select.EPOLLIN | select.EPOLLOUT if is_waiting else select.EPOLLIN

    def _new_session(self) -> ClientSession:
        settings = self._settings
        stream = (self._stream_id, self._acked // self._lines + 1) if settings.frames == "lines" else None
        return ClientSession(stream=stream, name=f"load {settings.run}", frames=settings.frames)

    def _send_lines(self, first: int, end: int) -> bool:
        """Send a write, or what is left of it; return True if that is all."""
        if not self._txnr:
            frames = -(-(end - first) // self._framing.lines_per_frame)
            if self._session.frames_left < frames:
                return False
            self._txnr = self._session.reserve_transactions(frames).start
        buffers = self._framing.buffers(self.number, first, end - first, self._txnr)
        size = sum(map(len, buffers))
        assert self.sock is not None  # noqa: S101 (only an open connection is asked to send)
        try:
            self.write_offset += self.sock.sendmsg(_skip(self.write_offset, buffers))
        except BlockingIOError:
            self.is_blocked = True
            return False
        self.is_blocked = self.write_offset < size
        if self.is_blocked:
            return False
        self.write_offset = self._txnr = 0
        self._next = end
        return True

    def _handle(self, events: Sequence[Event]) -> None:
        acked = 0
        for event in events:
            match event:
                case Acked():
                    acked += 1
                case Welcome():
                    self._resume(event)
                case ServerClosing():
                    self._is_leaving = True
                case Closed():
                    self._is_closed = True
                case Refused(why) | Rejected(why):
                    self._acknowledge(self._acked + acked * self._framing.lines_per_frame)
                    raise OSError(f"it refuses: {why}")
        if acked:
            self._acknowledge(self._acked + acked * self._framing.lines_per_frame)

    def _resume(self, welcome: Welcome) -> None:
        """Continue after what is stored. Raises OSError if the server cannot take these frames."""
        if self._settings.frames == "lines" and not welcome.lines:
            raise OSError("it takes no blocks of lines, only messages: --frames syslog")
        if self._framing.max_data > welcome.max_data:
            raise OSError(f"frames of {self._framing.max_data} bytes, it takes {welcome.max_data} at most")
        if welcome.durable is not None:
            if welcome.durable > -(-self.write_start // self._lines):
                raise OSError(f"it has block {welcome.durable} of a stream, which was not sent yet")
            self._acknowledge(max(self._acked, welcome.durable * self._lines))
        self._next = self._acked
        self._is_welcome = True

    def _acknowledge(self, end: int) -> None:
        """Count all lines before `end` as acknowledged, and the writes that this completes."""
        self._acked = min(end, self.write_end)  # the last block may be shorter
        unacked, now = self._unacked, time.monotonic_ns()
        while unacked and unacked[0][0] <= self._acked:
            self._on_ack(now - unacked.popleft()[1])

    def _rewind(self) -> bool:
        """Go back to the first unacknowledged line. Only an acknowledgement makes a socket one of use."""
        was_of_use = self._acked > self._acked_before
        self._acked_before = self._next = self._acked
        self.write_start = self.written  # messages of a partly sent write may be acknowledged
        self.write_offset = self._txnr = 0
        self._is_welcome = self._is_leaving = self._is_closed = False
        return was_of_use


def _skip(offset: int, buffers: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return what is left of `buffers` after the first `offset` bytes."""
    if not offset:
        return buffers
    left: list[bytes | memoryview] = []
    for buffer in buffers:
        if offset < len(buffer):
            left.append(memoryview(buffer)[offset:])
        offset = max(0, offset - len(buffer))
    return left
