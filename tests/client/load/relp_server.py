"""A RELP server for tests: a thread that stores what it receives, and fails on request."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from nodelog.wire.errors import WireError
from nodelog.wire.frames import SERVER_CLOSE, Oversized, encode
from nodelog.wire.server_session import Block, Close, Event, Message, Open, ServerSession

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESET = struct.pack("ii", 1, 0)


class Client:
    """The connection of a client."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.session = ServerSession(max_data=2 << 20)
        self.stream: bytes | None = None
        self.is_over = False  # the rest is discarded


class RelpServer:
    """Stores blocks and messages; `fail` is called with the number of each, and returns a failure or None.

    "lost": it is not stored, and the connection is reset; "unanswered": it is stored, and the connection is
    reset before the response; "silent": it is stored and never answered; "goodbye": it is not stored, and the
    server announces that it closes; "garbage": it is stored, and the response is invalid.
    """

    def __init__(
        self,
        *,
        has_streams: bool = True,
        commands: tuple[bytes, ...] = (b"syslog", b"lines"),
        fail: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port: int = self.listener.getsockname()[1]
        self.stored = bytearray()
        self.blocks = 0  # received blocks and messages
        self.sessions = 0
        self._has_streams = has_streams
        self._commands = commands
        self._fail = fail
        self._durable: dict[bytes, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and close all connections."""
        self._ended.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.listener.close()

    def write_to(self, path: Path) -> Path:
        """Write what was stored; return the path."""
        path.write_bytes(self.stored)
        return path

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in selector.select(0.01):
                    if isinstance(key.data, Client):
                        if not self._take(key.data):
                            selector.unregister(key.data.sock)
                            key.data.sock.close()
                    else:
                        accepted, _ = self.listener.accept()
                        selector.register(accepted, selectors.EVENT_READ, Client(accepted))
            for key in selector.get_map().values():
                if isinstance(key.data, Client):
                    key.data.sock.close()

    def _take(self, client: Client) -> bool:
        """Handle what a client sent; return False if the connection is over."""
        try:
            data = client.sock.recv(65536)
            if client.is_over:
                return bool(data)
            return bool(data) and all(self._handle(client, event) for event in client.session.feed(data))
        except (WireError, OSError):
            return False

    def _handle(self, client: Client, event: Event) -> bool:
        if client.is_over:
            return True
        match event:
            case Open(offers):
                self.sessions += 1
                if offers.stream and self._has_streams:
                    client.stream = offers.stream[0]
                durable = self._durable.get(client.stream, 0) if client.stream else None
                answer = client.session.accept(durable)
                if b"lines" not in self._commands:
                    answer = encode(
                        1, b"rsp", b"200 OK\nrelp_version=0\ncommands=" + b",".join(self._commands)
                    )
                client.sock.sendall(answer)
            case Block(txnr, number, data):
                return self._store(client, txnr, bytes(data), number)
            case Message(txnr, data):
                return self._store(client, txnr, bytes(data) + b"\n", None)
            case Oversized(txnr, _, _):
                client.sock.sendall(client.session.reject(txnr, "too large"))
            case Close(txnr):
                client.sock.sendall(client.session.ack(txnr))
                return False
        return True

    def _store(self, client: Client, txnr: int, data: bytes, number: int | None) -> bool:
        self.blocks += 1
        failure = self._fail(self.blocks)
        if failure in (None, "silent", "unanswered", "garbage"):
            self.stored += data
            if client.stream and number is not None:
                self._durable[client.stream] = number
        client.is_over = failure in ("goodbye", "garbage")
        match failure:
            case None:
                client.sock.sendall(client.session.ack(txnr))
            case "silent":
                return True
            case "goodbye":
                client.sock.sendall(SERVER_CLOSE)
                client.sock.shutdown(socket.SHUT_WR)
            case "garbage":
                client.sock.sendall(b"what?\n")
            case _:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return failure is None or client.is_over
