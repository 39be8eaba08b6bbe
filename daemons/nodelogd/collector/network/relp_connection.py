"""A connection that speaks RELP: turns reads into blocks in the arena, and stored blocks into responses.

A read goes into the arena, as with lines, but further in: past the end by as many bytes as the unfinished
frame already has. The data of the frames is then moved to the front, over their headers. So each block is
moved once, and none overwrites data that is still to be moved. Responses are sent in the order of the
frames, each once its lines are stored.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING

from nodelog.wire.errors import WireError
from nodelog.wire.frames import SERVER_CLOSE, Oversized
from nodelog.wire.server_session import Block, Close, Message, Open, ServerSession
from nodelogd.collector.network.stamp import stamp_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.wire.server_session import Event
    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.line_connection import LineLimits
    from nodelogd.collector.network.relp_clients import RelpClients
    from nodelogd.collector.pipeline.arena import Arena

MAX_UNANSWERED = 1024  # frames of one connection; with as many it is not read
MAX_UNSENT = 64 * 1024  # bytes of responses of one connection; with as many it is not read
PendingResponse = int | Open | Oversized  # an ack of this transaction, the response to `open`, a refusal


class RelpConnection:
    """One connection that speaks RELP. `unfinished` is the size of its incomplete frame so far, bytes."""

    is_plain = False

    def __init__(
        self,
        sock: socket.socket,
        peer: bytes,
        limits: LineLimits,
        metrics: Metrics,
        clients: RelpClients[RelpConnection],
    ) -> None:
        """Read from a non-blocking socket. Stamps show the `peer`."""
        with suppress(OSError):  # a response is small, and would wait until the one before it is confirmed
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.last_read = 0.0  # monotonic time; set by the reader
        self.unfinished = 0
        self.unsent = bytearray()  # bytes of responses that the socket has not accepted yet
        self.stream: bytes | None = None
        self.protocol_error = ""  # why the peer cannot be read any more
        self.is_broken = False  # nothing can be sent to the peer any more
        self.watched_events = EPOLLIN  # what epoll watches; set by its owner
        self.client_name = "a client"  # replaced by the name that it gives in `open`
        self._peer = peer
        self._limits = limits
        self._metrics = metrics
        self._clients = clients
        self._session = ServerSession(max_data=limits.max_data)
        self._pending: deque[PendingResponse] = deque()
        self._closing = False  # the client has sent `close`
        self._finished = False  # and every frame before that had been answered
        self._released = False
        clients.add(self)

    @property
    def owes_response(self) -> bool:
        """True if the client waits for a response."""
        return bool(self._pending or self.unsent)

    @property
    def wanted_events(self) -> int:
        """The epoll events that matter now."""
        reads = len(self._pending) < MAX_UNANSWERED and len(self.unsent) < MAX_UNSENT and not self._closing
        return (EPOLLIN if reads else 0) | (EPOLLOUT if self.unsent else 0)

    @property
    def is_done(self) -> bool:
        """True if the client has sent `close` and all its responses are sent."""
        return self._closing and not self.owes_response

    def receive(self, arena: Arena) -> int:
        """Read once and put the data of whole frames into the arena, which must not be full.

        Returns the number of bytes read, 0 at the end of the stream. Raises OSError as sockets do.
        """
        at = arena.end + self.unfinished
        count = self.receive_into(arena.view[at : at + self._limits.relp_read_size])
        if count:
            self.feed(arena.view[at : at + count], arena)
        return count

    def feed(self, data: bytes | memoryview, arena: Arena) -> None:
        """Process what was read. It may lie in the arena, `unfinished` bytes past its end or further.

        If the peer breaks the protocol, the frames before that count, and `protocol_error` says what it did.
        """
        try:
            events = self._session.feed(data)
        except WireError as error:
            events, self.protocol_error = error.completed, str(error)
        before, self.unfinished = self.unfinished, self._session.pending
        added = self._add_events(events, arena) if events else 0
        self._metrics.overhead.inc(before + len(data) - self.unfinished - added)

    def send_responses(self, count: int) -> None:
        """Send the next `count` responses: the lines they are for are stored."""
        self._clients.remove_unanswered(count)
        if not self._released:
            self._send(b"".join([self._encode(self._pending.popleft()) for _ in range(count)]))

    def flush(self) -> None:
        """Send the responses that the socket has not accepted yet."""
        if self.unsent:
            try:
                sent = self.sock.send(self.unsent)
            except BlockingIOError:
                return
            except OSError:
                self.is_broken, sent = True, len(self.unsent)
            del self.unsent[:sent]
            self._clients.unsent -= sent

    def finish(self, arena: Arena) -> None:
        """Do nothing at the end of the stream: an unfinished frame is not acknowledged and is sent again."""

    def drop_unfinished(self, reason: str) -> None:
        """Drop an unfinished frame."""
        if self.unfinished:
            self._metrics.dropped.labels(reason).inc(self.unfinished)
            self.unfinished = 0

    def release(self) -> None:
        """Release the stream. Responses are discarded from now on."""
        self._released = True
        self._clients.remove(self, finished=self._finished and self.is_done and not self.is_broken)
        self._clients.unsent -= len(self.unsent)
        self.unsent = bytearray()

    def send_server_close(self) -> None:
        """Announce that the connection will be closed and no frame is to blame."""
        self._send(SERVER_CLOSE)

    def _add_events(self, events: list[Event], arena: Arena) -> int:
        """Put the lines of the events into the arena and queue their responses; return the bytes of data."""
        pieces: list[bytes | memoryview] = []
        size, number, longer = 0, None, False
        for event in events:
            match event:
                case Block():
                    pieces.append(event.data)
                    size += len(event.data)
                    number = event.number
                    self._pending.append(event.txnr)
                case Message():
                    line = self._to_line(bytes(event.data))
                    pieces.append(line)
                    size += len(event.data)
                    longer = longer or len(line) > len(event.data) + 1
                    self._pending.append(event.txnr)
                case Open():
                    self._open(event)
                    arena.fence = arena.fence or self.stream is not None
                case Oversized():
                    self._metrics.rejected.inc()
                    self._pending.append(event)
                case Close():
                    self._closing, self._finished = True, not self._pending
                    self._pending.append(event.txnr)
        if longer or self._limits.stamp:  # they could overwrite data further on in the arena
            pieces = [self._to_stamped(bytes(piece)) for piece in pieces]
        arena.add(*pieces)
        if number is not None and self.stream is not None:
            arena.last_blocks[self.stream] = number
        arena.add_acks(self, len(events))
        self._metrics.frames.inc(len(events))
        self._clients.add_unanswered(len(events))
        self._clients.count_bytes(self.client_name, size)
        return size

    def _to_line(self, message: bytes) -> bytes:
        """Turn a message into one line, whether or not it ends with an LF."""
        text = message.removesuffix(b"\n")
        line = text.replace(b"\n", b"\\n")
        self._metrics.added.labels("newline").inc(1 + len(text) - len(message))
        self._metrics.added.labels("escape").inc(len(line) - len(text))
        return line + b"\n"

    def _to_stamped(self, lines: bytes) -> bytes:
        if not self._limits.stamp or not lines:
            return lines
        result = stamp_lines(lines, self._peer)
        self._metrics.added.labels("stamp").inc(len(result) - len(lines))
        return result

    def _open(self, event: Open) -> None:
        offers = event.offers
        self.client_name = offers.name or offers.software or self.client_name
        self.stream = offers.stream[0] if offers.stream else None
        self._pending.append(event)
        self._clients.set_opened(self)

    def _encode(self, response: PendingResponse) -> bytes:
        match response:
            case int():
                return self._session.ack(response)
            case Open():
                return self._session.accept(
                    None if self.stream is None else self._clients.last_durable_block(self.stream)
                )
            case Oversized():
                text = f"message of {response.length} bytes, at most {self._limits.max_data} allowed"
                return self._session.reject(response.txnr, text)

    def _send(self, data: bytes) -> None:
        self.unsent += data
        self._clients.unsent += len(data)
        self.flush()
