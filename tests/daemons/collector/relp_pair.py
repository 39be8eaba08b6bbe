"""A RELP client and its connection in the collector, without an event loop: the test takes each step."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from tests.daemons.collector.reader_harness import total

from nodelog.wire.client_session import ClientSession, Welcome
from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.relp_clients import RelpClients
from nodelogd.collector.network.relp_connection import RelpConnection
from nodelogd.collector.pipeline.arena import Arena

if TYPE_CHECKING:
    from typing import Literal, Self

    from nodelog.wire.client_session import Event


KIB = 1024


class RelpPair:
    """A client, its connection, and an arena that the test empties as the writer does."""

    def __init__(
        self,
        *,
        max_line: int = 1024 * KIB,
        stamp: bool = False,
        stream: tuple[bytes, int] | None = None,
        frames: Literal["lines", "syslog"] = "lines",
        durable: int = 0,
    ) -> None:
        """Connect without sending anything."""
        self.client, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self.client.settimeout(20)
        self.metrics, self.limits = Metrics(), LineLimits(max_line, stamp=stamp)
        self.forgotten: list[bytes] = []
        self.clients: RelpClients[RelpConnection] = RelpClients(lambda _: durable, self.forgotten.append)
        self.relp = RelpConnection(self.sock, b"peer", self.limits, self.metrics, self.clients)
        self.session = ClientSession(stream=stream, name="pod", frames=frames)
        self.arena = Arena(self.limits.headroom)
        self.sent = 0  # bytes
        self.written = b""
        self.last_blocks: dict[bytes, int] = {}
        self.fences = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.sock.close()

    def open(self) -> Welcome:
        """Send `open` and return its response."""
        self.send(self.session.hello())
        (welcome,) = self.responses()
        assert isinstance(welcome, Welcome)
        return welcome

    def send(self, data: bytes, cut: int = 32 * KIB) -> None:
        """Send data and let the connection read it in pieces of `cut` bytes."""
        self.sent += len(data)
        for start in range(0, len(data), cut):
            self.client.sendall(data[start : start + cut])
            self.relp.receive(self.arena)
            assert self.relp.unfinished == self.relp._session.pending

    def block(self, data: bytes) -> bytes:
        """Return a block as a frame."""
        return b"".join(self.session.block(data))

    def store(self) -> None:
        """Store what is in the arena, as the writer does, and send the responses."""
        self.written += self.arena.view[: self.arena.end]
        self.last_blocks |= self.arena.last_blocks
        self.fences += self.arena.fence
        receipts: dict[Any, int] = self.arena.receipts
        self.arena.clear()
        for connection, count in receipts.items():
            connection.send_responses(count)

    def responses(self) -> list[Event]:
        """Store and return what the client receives."""
        self.store()
        self.client.setblocking(False)
        try:
            return self.session.feed(self.client.recv(1024 * KIB))
        except BlockingIOError:
            return []
        finally:
            self.client.setblocking(True)

    def assert_accounted(self) -> None:
        """Fail unless every byte is accounted for; `sent` is what the reader would count as received."""
        known = len(self.written) + self.arena.end + self.relp.unfinished + total(self.metrics.dropped)
        assert self.sent + total(self.metrics.added) == known + total(self.metrics.overhead)


def send_in_cuts(pair: RelpPair, data: bytes, cuts: list[int]) -> list[Event]:
    """Send data in pieces of these sizes, in turn; store after every third; return what the client gets."""
    events: list[Event] = []
    at = step = 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        pair.send(data[at : at + size])
        at, step = at + size, step + 1
        if step % 3 == 0:
            events += pair.responses()
    return events + pair.responses()
