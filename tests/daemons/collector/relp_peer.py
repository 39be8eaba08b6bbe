"""A client of RELP that does not block the loop it shares with what it talks to."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.daemons.collector.wired import until

from nodelog.wire.client_session import ClientSession, Welcome

if TYPE_CHECKING:
    from tests.daemons.collector.wired import Wired

    from nodelog.wire.client_session import Event

KIB = 1024


class Peer:
    """A client that does not block the loop."""

    def __init__(self, wired: Wired, stream: tuple[bytes, int] | None = None) -> None:
        """Connect and send `open`."""
        self.sock = wired.connect_undecided()
        self.session = ClientSession(stream=stream, name=None)
        self.events: list[Event] = []
        self.ended = ""
        self.sock.setblocking(False)
        self.sock.send(self.session.hello())

    def send(self, *blocks: bytes) -> None:
        """Send blocks."""
        data = b"".join(bytes(part) for block in blocks for part in self.session.block(block))
        assert self.sock.send(data) == len(data)

    def has(self, event: Event, times: int = 1) -> bool:
        """Say whether this came so often."""
        self._read()
        return self.events.count(event) == times

    @property
    def is_open(self) -> bool:
        """Say whether `open` is answered."""
        self._read()
        return any(isinstance(event, Welcome) for event in self.events)

    @property
    def is_ended(self) -> bool:
        """Say whether the collector has ended the connection."""
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


async def opened(wired: Wired, stream: tuple[bytes, int] | None = None) -> Peer:
    """Connect, and wait for the answer to `open`."""
    peer = Peer(wired, stream)
    await until(lambda: peer.is_open)
    return peer


async def stuffed(wired: Wired, relp: Peer) -> int:
    """Have a peer send, and take no answers, until they pile up; give how many frames it sent."""
    relp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    (connection,) = wired.connections
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = 0
    while wired.clients.unsent < 10_000:
        relp.send(*[b""] * 500)
        sent += 500
        frames = sent + 1
        await until(lambda count=frames: wired.count("nodelog_relp_frames_total") == count)  # type: ignore[misc]
        await until(wired.clients.all_answered.is_set)
    return sent


def accounted(wired: Wired) -> bool:
    """Say whether every byte that came is accounted for."""
    came, known = wired.ledger()
    return came == known
