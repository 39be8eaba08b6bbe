"""A connection that speaks RELP: from reads to blocks in the arena, and from what is stored to answers.

A read goes into the arena, where lines go, but behind as many bytes as the unfinished frame already has.
What frames hold is then moved to the front, over their headers: a block is moved once, and none overtakes
what is still to be moved. Answers go out in the order of the frames, each once its lines are stored.
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

MAX_UNANSWERED = 1024  # frames of one connection; beyond, it is not read
MAX_UNSENT = 64 * 1024  # bytes of answers, the same
Answer = int | Open | Oversized  # what is due: an ack of this transaction, what `open` asks, a refusal


class RelpConnection:
    """One connection. `unfinished` is how much there is of a frame that is not complete yet, bytes."""

    is_plain = False

    def __init__(
        self,
        sock: socket.socket,
        peer: bytes,
        limits: LineLimits,
        metrics: Metrics,
        clients: RelpClients[RelpConnection],
    ) -> None:
        """Read from a non-blocking socket; `peer` names the peer in stamps."""
        with suppress(OSError):  # an answer is small, and would wait for the one before it to be confirmed
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.active = 0.0  # when it last sent something, by whoever cares
        self.unfinished = 0
        self.unsent = bytearray()  # answers that its peer did not take so far
        self.stream: bytes | None = None
        self.fault = ""  # why its peer cannot be listened to any more
        self.is_broken = False  # its peer can be told nothing any more
        self.watched = EPOLLIN  # what for, by whoever does
        self.who = "a client"  # by its own account
        self._peer = peer
        self._limits = limits
        self._metrics = metrics
        self._clients = clients
        self._session = ServerSession(max_data=limits.max_data)
        self._due: deque[Answer] = deque()
        self._closing = False  # the client has said that it is done
        self._closed_cleanly = False  # and that with all it sent before answered
        self._gone = False
        clients.enter(self)

    @property
    def owes_response(self) -> bool:
        """True if its client waits for an answer."""
        return bool(self._due or self.unsent)

    @property
    def wants(self) -> int:
        """Say what of its socket is of interest now."""
        reads = len(self._due) < MAX_UNANSWERED and len(self.unsent) < MAX_UNSENT and not self._closing
        return (EPOLLIN if reads else 0) | (EPOLLOUT if self.unsent else 0)

    @property
    def is_done(self) -> bool:
        """True if the client has said goodbye and has all its answers."""
        return self._closing and not self.owes_response

    def receive(self, arena: Arena) -> int:
        """Read once, put what is whole into the arena, which must not be full.

        Gives the number of bytes read, 0 at the end of the stream. Raises OSError as sockets do.
        """
        at = arena.end + self.unfinished
        count = self.receive_into(arena.view[at : at + self._limits.relp_read_size])
        if count:
            self.take(arena.view[at : at + count], arena)
        return count

    def take(self, data: memoryview, arena: Arena) -> None:
        """Take what was read. It may lie in the arena, `unfinished` bytes behind its end or further.

        If the peer breaks the protocol, all that was good before that is taken and `fault` says how.
        """
        try:
            events = self._session.feed(data)
        except WireError as error:
            events, self.fault = error.before, str(error)
        before, self.unfinished = self.unfinished, self._session.pending
        taken = self._take(events, arena) if events else 0
        self._metrics.overhead.inc(before + len(data) - self.unfinished - taken)

    def answer(self, count: int) -> None:
        """Give the next so many answers: what they are about is stored."""
        self._clients.settle(count)
        if not self._gone:
            self._send(b"".join([self._answer(self._due.popleft()) for _ in range(count)]))

    def flush(self) -> None:
        """Send what the peer did not take so far."""
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
        """At the end of the stream: an unfinished frame is not acknowledged and comes again."""

    def drop(self, reason: str) -> None:
        """Drop an unfinished frame."""
        if self.unfinished:
            self._metrics.dropped.labels(reason).inc(self.unfinished)
            self.unfinished = 0

    def leave(self) -> None:
        """Let go of the stream; whatever is answered from now on goes nowhere."""
        self._gone = True
        self._clients.leave(self, cleanly=self._closed_cleanly and self.is_done and not self.is_broken)
        self._clients.unsent -= len(self.unsent)
        self.unsent = bytearray()

    def send_server_close(self) -> None:
        """Tell the peer that the connection will be closed, and no frame is to blame."""
        self._send(SERVER_CLOSE)

    def _take(self, events: list[Event], arena: Arena) -> int:
        """Put the lines of these events into the arena, note who is to be answered; give their bytes."""
        pieces: list[bytes | memoryview] = []
        taken, number, longer = 0, None, False
        for event in events:
            match event:
                case Block():
                    pieces.append(event.data)
                    taken += len(event.data)
                    number = event.number
                    self._due.append(event.txnr)
                case Message():
                    line = self._one_line(bytes(event.data))
                    pieces.append(line)
                    taken += len(event.data)
                    longer = longer or len(line) > len(event.data) + 1
                    self._due.append(event.txnr)
                case Open():
                    self._open(event)
                    arena.fence = arena.fence or self.stream is not None
                case Oversized():
                    self._metrics.rejected.inc()
                    self._due.append(event)
                case Close():
                    self._closing, self._closed_cleanly = True, not self._due
                    self._due.append(event.txnr)
        if longer or self._limits.stamp:  # they could overtake what lies behind them in the arena
            pieces = [self._stamped(bytes(piece)) for piece in pieces]
        arena.add(*pieces)
        if number is not None and self.stream is not None:
            arena.pairs[self.stream] = number
        arena.owe(self, len(events))
        self._metrics.frames.inc(len(events))
        self._clients.owe(len(events))
        self._clients.count(self.who, taken)
        return taken

    def _one_line(self, message: bytes) -> bytes:
        """Make one line of a message, whether or not it brings the LF at its end."""
        text = message.removesuffix(b"\n")
        line = text.replace(b"\n", b"\\n")
        self._metrics.added.labels("newline").inc(1 + len(text) - len(message))
        self._metrics.added.labels("escape").inc(len(line) - len(text))
        return line + b"\n"

    def _stamped(self, lines: bytes) -> bytes:
        if not self._limits.stamp or not lines:
            return lines
        result = stamp_lines(lines, self._peer)
        self._metrics.added.labels("stamp").inc(len(result) - len(lines))
        return result

    def _open(self, event: Open) -> None:
        offers = event.offers
        self.who = offers.name or offers.software or self.who
        self.stream = offers.stream[0] if offers.stream else None
        self._due.append(event)
        self._clients.opened(self)

    def _answer(self, due: Answer) -> bytes:
        match due:
            case int():
                return self._session.ack(due)
            case Open():
                return self._session.accept(
                    None if self.stream is None else self._clients.durable(self.stream)
                )
            case Oversized():
                text = f"message of {due.length} bytes, at most {self._limits.max_data} allowed"
                return self._session.reject(due.txnr, text)

    def _send(self, data: bytes) -> None:
        self.unsent += data
        self._clients.unsent += len(data)
        self.flush()
