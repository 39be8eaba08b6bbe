"""A collector without sockets, for tests of what the client decides: exactly once, as the protocol has it."""

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
    """One that has never heard of blocks and streams."""

    def _on_open(self, offers: Offers) -> Open:
        return super()._on_open(replace(offers, commands=(b"syslog",), stream=None))


@dataclass(eq=False)
class Connection:
    """The collector's side of a connection."""

    session: ServerSession
    stream: bytes | None = None
    out: bytearray = field(default_factory=bytearray)
    """What the client has not read yet."""
    is_open: bool = True


class Server:
    """Takes blocks; what it has taken is durable, and acked, with the next commit."""

    def __init__(
        self, *, max_data: int = MAX_DATA, keeps_streams: bool = True, foreign: bool = False
    ) -> None:
        """Know nothing yet."""
        self._session = ForeignSession if foreign else ServerSession
        self.durable: dict[bytes, int] = {}  # the last block of each stream
        self.stored: list[bytes] = []  # lines
        self.blocks: list[bytes] = []
        self.offered: list[tuple[bytes, int] | None] = []  # by each connection
        self._taken: list[tuple[Connection, bytes, int | None, bytes]] = []  # with the answer to each
        self._connections: list[Connection] = []
        self._max_data = max_data
        self._keeps_streams = keeps_streams

    def connect(self) -> Connection:
        """Accept a connection."""
        self._connections.append(Connection(self._session(max_data=self._max_data)))
        return self._connections[-1]

    def receive(self, connection: Connection, data: bytes) -> None:
        """Read what a client sent."""
        for event in connection.session.feed(data) if connection.is_open else ():
            self._handle(connection, event)

    def commit(self) -> None:
        """Make durable what was taken."""
        for connection, answer, number, data in self._taken:
            if data:
                self.blocks.append(data)
                self.stored += data.split(b"\n")[:-1]
            if number is not None and connection.stream is not None:
                assert number > self.durable.get(connection.stream, 0)
                self.durable[connection.stream] = number
            connection.out += answer
        self._taken.clear()

    def crash(self) -> None:
        """Lose what is not durable."""
        for connection, *_ in self._taken:
            connection.is_open = False
        self._taken.clear()

    def _handle(self, connection: Connection, event: Event) -> None:
        match event:
            case Open(offers=offers):
                self.offered.append(offers.stream)
                durable = None
                if offers.stream and self._keeps_streams:
                    durable = self._fence(connection, offers.stream[0])
                connection.out += connection.session.accept(durable)
            case Block(txnr=txnr, number=number, data=data):
                self._taken.append((connection, connection.session.ack(txnr), number, bytes(data)))
            case Message(txnr=txnr, data=data):
                self._taken.append((connection, connection.session.ack(txnr), None, bytes(data) + b"\n"))
            case Oversized(txnr=txnr, length=length):
                why = f"{length} bytes are too many"
                self._taken.append((connection, connection.session.reject(txnr, why), None, b""))
            case Close(txnr=txnr):
                self.commit()
                if connection.stream is not None:
                    self.durable.pop(connection.stream, None)
                connection.out += connection.session.ack(txnr)

    def _fence(self, connection: Connection, stream: bytes) -> int:
        """End what older connections of the stream are at; give its last durable block."""
        for other in self._connections:
            other.is_open = other.is_open and other.stream != stream
        connection.stream = stream
        self.commit()
        return self.durable.get(stream, 0)


class Pair:
    """A courier, and a server that it talks to without loss."""

    def __init__(self, spool: Spool, server: Server | None = None, *, window: int = 1024 * 1024) -> None:
        """Bring them together."""
        self.told: list[str] = []
        self.server = server or Server()
        self.spool = spool
        self.courier = DeliverySession(
            spool, name="test", tell=self.told.append, window=window, draw=lambda: 1.0
        )
        self.connection = self.server.connect()

    def connect(self) -> None:
        """Make a connection, up to the server's answer."""
        self.connection = self.server.connect()
        self.server.receive(self.connection, self.courier.connection_made())
        self.hear()

    def send(self) -> int:
        """Let the courier send; give the number of bytes."""
        data = b"".join(self.courier.frames_to_send())
        self.server.receive(self.connection, data)
        return len(data)

    def hear(self) -> None:
        """Let the courier read all that the server said."""
        data = bytes(self.connection.out)
        self.connection.out.clear()
        if data:
            self.courier.feed(data)

    def ack(self) -> None:
        """Let the server make durable what it has, and the courier hear of it."""
        self.server.commit()
        self.hear()

    def say_goodbye(self) -> None:
        """Let the server tell that it will close."""
        self.connection.out += SERVER_CLOSE
        self.hear()

    def hang_up(self) -> float:
        """Let the server hang up."""
        self.connection.is_open = False
        return self.courier.connection_lost(by_peer=True)

    def run(self) -> None:
        """Go on until there is nothing more to do, over as many connections as it takes."""
        for _ in range(1000):
            if self.courier.must_hang_up:
                self.courier.connection_lost(by_peer=False)
            if self.courier.welcome is None:
                if not self.courier.has_lines:
                    return
                self.connect()
            is_quiet = not self.send() and not self.server._taken
            self.ack()
            if is_quiet and not self.courier.must_hang_up:
                return
        raise AssertionError("it does not end")
