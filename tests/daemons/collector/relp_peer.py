"""A RELP client for tests that does not block the event loop it shares with the collector."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.daemons.collector.reader_harness import until

from nodelog.wire.client_session import ClientSession, Welcome

if TYPE_CHECKING:
    from tests.daemons.collector.reader_harness import ReaderHarness

    from nodelog.wire.client_session import Event

KIB = 1024


class RelpPeer:
    """A RELP client with a non-blocking socket."""

    def __init__(self, harness: ReaderHarness, stream: tuple[bytes, int] | None = None) -> None:
        """Connect and send `open`."""
        self.sock = harness.connect_undecided()
        self.session = ClientSession(stream=stream, name=None)
        self.events: list[Event] = []
        self.ended = ""
        self.sock.setblocking(False)
        self.sock.send(self.session.hello())

    def send(self, *blocks: bytes) -> None:
        """Send blocks."""
        data = b"".join(bytes(part) for block in blocks for part in self.session.block(block))
        assert self.sock.send(data) == len(data)

    def received(self, event: Event, times: int = 1) -> bool:
        """Return True if this event was received exactly `times` times."""
        self._read()
        return self.events.count(event) == times

    @property
    def is_open(self) -> bool:
        """True if `open` is answered."""
        self._read()
        return any(isinstance(event, Welcome) for event in self.events)

    @property
    def is_ended(self) -> bool:
        """True if the collector has ended the connection; `ended` says how."""
        self._read()
        return bool(self.ended)

    def _read(self) -> None:
        try:
            while not self.ended:
                data = self.sock.recv(64 * KIB)
                self.ended = "" if data else "closed"
                self.events += self.session.feed(data)
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = "reset"


async def open_peer(harness: ReaderHarness, stream: tuple[bytes, int] | None = None) -> RelpPeer:
    """Connect and wait for the response to `open`."""
    peer = RelpPeer(harness, stream)
    await until(lambda: peer.is_open)
    return peer


async def pile_up_acks(harness: ReaderHarness, peer: RelpPeer) -> int:
    """Let a peer send without reading until acks pile up in the collector; return the number of frames."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    (connection,) = harness.connections
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = 0
    while harness.clients.unsent < 10_000:
        peer.send(*[b""] * 500)
        sent += 500
        frames = sent + 1
        await until(lambda count=frames: harness.metric("nodelog_relp_frames_total") == count)  # type: ignore[misc]
        await until(harness.clients.all_answered.is_set)
    return sent


def all_bytes_accounted(harness: ReaderHarness) -> bool:
    """Return True if every byte that came in is accounted for."""
    came_in, accounted = harness.byte_totals()
    return came_in == accounted
