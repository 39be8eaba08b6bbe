"""A client of a stream, as the protocol has it: it sends, and sends again, when a test says so."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from nodelog.wire.client_session import Acked, ClientSession, Welcome

if TYPE_CHECKING:
    from nodelogd.collector.network.relp_connection import RelpConnection


class Peer:
    """A client of one stream that follows the rules, and its connection, if it has one."""

    def __init__(self, number: int) -> None:
        """Hold nothing."""
        self.number = number
        self.stream = bytes([number]) * 16
        self.made = 0  # blocks so far
        self.held: list[int] = []  # not answered yet
        self.sock: socket.socket | None = None
        self.relp: RelpConnection | None = None
        self.next: int | None = None  # to be sent, once `open` is answered

    def make(self) -> None:
        """Have a block to send."""
        self.made += 1
        self.held.append(self.made)

    def hello(self) -> socket.socket:
        """Connect anew; give the collector's side."""
        self.lose()
        self.sock, theirs = socket.socketpair()
        for sock in (self.sock, theirs):
            sock.setblocking(False)
        self.session = ClientSession(
            stream=(self.stream, self.held[0] if self.held else self.made + 1), name=None
        )
        self.sock.send(self.session.hello())
        return theirs

    def lose(self) -> None:
        """Lose the connection, with all that is under way in it."""
        if self.sock:
            self.sock.close()
        self.sock = self.next = None

    def send(self) -> None:
        """Send the next block."""
        if self.sock and self.next is not None and self.next <= self.made:
            data = b"%d block %d\n" % (self.number, self.next) * (self.next % 3)  # some are probes
            try:
                self.sock.send(b"".join(map(bytes, self.session.block(data))))
            except BrokenPipeError:
                self.lose()
            else:
                self.next += 1

    def hear(self) -> None:
        """Take the answers that have come."""
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
                    self.next = max(self.held[0] if self.held else self.made + 1, durable + 1)
                    self.held = [number for number in self.held if number > durable]
        if not data:
            self.lose()
