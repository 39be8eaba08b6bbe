"""A client of a stream that follows the protocol; the test decides when it sends, resends and reads."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from nodelog.wire.client_session import Acked, ClientSession, Welcome

if TYPE_CHECKING:
    from nodelogd.collector.network.relp_connection import RelpConnection


class SteppingPeer:
    """A client of one stream, and its connection in the collector, if it has one."""

    def __init__(self, number: int) -> None:
        """Start without blocks and without a connection."""
        self.number = number
        self.stream = bytes([number]) * 16
        self.created = 0  # blocks so far
        self.held: list[int] = []  # numbers of the blocks that are not acknowledged yet
        self.sock: socket.socket | None = None
        self.relp: RelpConnection | None = None
        self.next: int | None = None  # number of the next block to send; None until `open` is answered

    def create_block(self) -> None:
        """Create a block to send."""
        self.created += 1
        self.held.append(self.created)

    def connect(self) -> socket.socket:
        """Connect again and send `open`; return the collector's socket."""
        self.disconnect()
        self.sock, accepted = socket.socketpair()
        for sock in (self.sock, accepted):
            sock.setblocking(False)
        self.session = ClientSession(
            stream=(self.stream, self.held[0] if self.held else self.created + 1), name=None
        )
        self.sock.send(self.session.hello())
        return accepted

    def disconnect(self) -> None:
        """Drop the connection, with everything in transit."""
        if self.sock:
            self.sock.close()
        self.sock = self.next = None

    def send(self) -> None:
        """Send the next block."""
        if self.sock and self.next is not None and self.next <= self.created:
            data = b"%d block %d\n" % (self.number, self.next) * (self.next % 3)  # some are probes
            try:
                self.sock.send(b"".join(map(bytes, self.session.block(data))))
            except BrokenPipeError:
                self.disconnect()
            else:
                self.next += 1

    def read(self) -> None:
        """Process the responses that have arrived."""
        if not self.sock:
            return
        try:
            data = self.sock.recv(10**6)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        for event in self.session.feed(data):
            match event:
                case Acked():
                    self.held.pop(0)
                case Welcome(int(durable)):
                    self.next = max(self.held[0] if self.held else self.created + 1, durable + 1)
                    self.held = [number for number in self.held if number > durable]
        if not data:
            self.disconnect()
