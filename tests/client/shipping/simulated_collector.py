"""A collector without sockets that stores each block exactly once, for tests of what the client decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nodelog.shipping.delivery_session import DeliverySession
from nodelog.wire.frames import SERVER_CLOSE, Oversized
from nodelog.wire.server_session import Block, Close, Message, Open, ServerSession

if TYPE_CHECKING:
    from nodelog.spool.spool import Spool
    from nodelog.wire.offers import Offers
    from nodelog.wire.server_session import Event

MAX_DATA = 1024 * 1024 + 64 * 1024


class ForeignSession(ServerSession):
    """A server that does not know blocks and streams."""

    def _on_open(self, offers: Offers) -> Open:
        return super()._on_open(replace(offers, commands=(b"syslog",), stream=None))


@dataclass(eq=False)
class Connection:
    """The collector's side of a connection."""

    session: ServerSession
    stream: bytes | None = None
    out: bytearray = field(default_factory=bytearray)
    """Bytes that the client has not read yet."""
    is_open: bool = True


class SimulatedCollector:
    """A collector that receives blocks; the next `commit` makes them durable and acks them."""

    def __init__(
        self, *, max_data: int = MAX_DATA, keeps_streams: bool = True, foreign: bool = False
    ) -> None:
        """Create a collector that stores nothing yet."""
        self._session = ForeignSession if foreign else ServerSession
        self.durable: dict[bytes, int] = {}  # the last block of each stream
        self.stored_lines: list[bytes] = []  # lines without their LF
        self.blocks: list[bytes] = []
        self.offered_streams: list[tuple[bytes, int] | None] = []  # one per connection
        # Received and not durable yet: connection, answer, block number, data.
        self.uncommitted: list[tuple[Connection, bytes, int | None, bytes]] = []
        self._connections: list[Connection] = []
        self._max_data = max_data
        self._keeps_streams = keeps_streams

    def connect(self) -> Connection:
        """Accept a connection."""
        self._connections.append(Connection(self._session(max_data=self._max_data)))
        return self._connections[-1]

    def receive(self, connection: Connection, data: bytes) -> None:
        """Handle bytes from a client."""
        for event in connection.session.feed(data) if connection.is_open else ():
            self._handle(connection, event)

    def commit(self) -> None:
        """Make durable what was received, and ack it."""
        for connection, answer, number, data in self.uncommitted:
            if data:
                self.blocks.append(data)
                self.stored_lines += data.split(b"\n")[:-1]
            if number is not None and connection.stream is not None:
                assert number > self.durable.get(connection.stream, 0)
                self.durable[connection.stream] = number
            connection.out += answer
        self.uncommitted.clear()

    def crash(self) -> None:
        """Lose what is not durable."""
        for connection, *_ in self.uncommitted:
            connection.is_open = False
        self.uncommitted.clear()

    def _handle(self, connection: Connection, event: Event) -> None:
        match event:
            case Open(offers=offers):
                self.offered_streams.append(offers.stream)
                durable = None
                if offers.stream and self._keeps_streams:
                    durable = self._fence(connection, offers.stream[0])
                connection.out += connection.session.accept(durable)
            case Block(txnr=txnr, number=number, data=data):
                self.uncommitted.append((connection, connection.session.ack(txnr), number, bytes(data)))
            case Message(txnr=txnr, data=data):
                self.uncommitted.append((connection, connection.session.ack(txnr), None, bytes(data) + b"\n"))
            case Oversized(txnr=txnr, length=length):
                reason = f"{length} bytes are too many"
                self.uncommitted.append((connection, connection.session.reject(txnr, reason), None, b""))
            case Close(txnr=txnr):
                self.commit()
                if connection.stream is not None:
                    self.durable.pop(connection.stream, None)
                connection.out += connection.session.ack(txnr)

    def _fence(self, connection: Connection, stream: bytes) -> int:
        """Close older connections of the stream; return its last durable block."""
        for other in self._connections:
            other.is_open = other.is_open and other.stream != stream
        connection.stream = stream
        self.commit()
        return self.durable.get(stream, 0)


class DeliveryHarness:
    """A delivery session connected to a simulated collector, without loss."""

    def __init__(
        self, spool: Spool, collector: SimulatedCollector | None = None, *, window_bytes: int = 1024 * 1024
    ) -> None:
        """Create a session that has not connected yet."""
        self.messages: list[str] = []
        self.collector = collector or SimulatedCollector()
        self.spool = spool
        self.session = DeliverySession(
            spool, name="test", tell=self.messages.append, window_bytes=window_bytes, jitter=lambda: 1.0
        )
        self.connection = self.collector.connect()

    def connect(self) -> None:
        """Make a connection, up to the collector's answer."""
        self.connection = self.collector.connect()
        self.collector.receive(self.connection, self.session.connection_made())
        self.read_answers()

    def send(self) -> int:
        """Deliver what the session sends; return the number of bytes."""
        data = b"".join(self.session.frames_to_send())
        self.collector.receive(self.connection, data)
        return len(data)

    def read_answers(self) -> None:
        """Deliver what the collector sent."""
        data = bytes(self.connection.out)
        self.connection.out.clear()
        if data:
            self.session.feed(data)

    def ack(self) -> None:
        """Commit what the collector has, and deliver the acks."""
        self.collector.commit()
        self.read_answers()

    def announce_close(self) -> None:
        """Let the collector announce that it will close."""
        self.connection.out += SERVER_CLOSE
        self.read_answers()

    def hang_up(self) -> float:
        """Let the collector hang up; return the pause before the next connection."""
        self.connection.is_open = False
        return self.session.connection_lost(by_peer=True)

    def run(self) -> None:
        """Continue until there is nothing left to do, over as many connections as it takes."""
        for _ in range(1000):
            if self.session.must_hang_up:
                self.session.connection_lost(by_peer=False)
            if self.session.welcome is None:
                if not self.session.has_lines:
                    return
                self.connect()
            is_quiet = not self.send() and not self.collector.uncommitted
            self.ack()
            if is_quiet and not self.session.must_hang_up:
                return
        raise AssertionError("not finished after 1000 rounds")
