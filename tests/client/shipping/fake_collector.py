"""A collector with real sockets that stores each block exactly once, and misbehaves as a test wants."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from tests.waiting import wait_for

from nodelog.wire.errors import WireError
from nodelog.wire.frames import SERVER_CLOSE, Oversized
from nodelog.wire.server_session import Block, Close, Message, Open, ServerSession

if TYPE_CHECKING:
    from nodelog.wire.server_session import Event

RESET = struct.pack("ii", 1, 0)


class ConnectedClient:
    """A client that is connected, and its side of the session."""

    def __init__(self, sock: socket.socket, max_data: int) -> None:
        """Take over an accepted socket."""
        self.sock = sock
        self.session = ServerSession(max_data=max_data)
        self.stream: bytes | None = None
        self.name: str | None = None


class FakeCollector:
    """A collector that stores blocks; they are durable at once, and survive `crash` and `stop`."""

    def __init__(self, *, max_data: int = 1024 * 1024 + 64 * 1024, keeps_streams: bool = True) -> None:
        """Create a collector; `start` makes it listen."""
        self.blocks: list[bytes] = []  # stored, in order
        self.streams: dict[bytes, int] = {}  # the last block of each
        self.names: set[str | None] = set()
        self.opened = 0  # connections
        self.closed = 0  # of them, those that the client closed with `close`
        self.acks = True  # False: blocks are stored, but their acks are lost
        self.reads = True  # False: nothing is read
        self.stores = True  # False: blocks are read, but not stored
        self.says_goodbye = True  # False: a client's `close` is not answered
        self.poison = b""  # a block that contains it makes the collector hang up
        self.port = 0
        self.address = "127.0.0.1"
        self._max_data = max_data
        self._keeps_streams = keeps_streams
        self._peers: dict[socket.socket, ConnectedClient] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()

    @property
    def lines(self) -> list[bytes]:
        """The stored lines, without their LF."""
        with self._lock:
            return b"".join(self.blocks).split(b"\n")[:-1]

    @property
    def connected(self) -> int:
        """The number of connected clients."""
        return len(self._peers)

    def wait_for_lines(self, count: int) -> list[bytes]:
        """Wait until this number of lines is stored; return them."""
        wait_for(lambda: len(self.lines) >= count, f"{count} lines")
        return self.lines

    def start(self) -> Self:
        """Listen, on the same port as before."""
        self._ended.clear()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((self.address, self.port), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def limit_receive_buffer(self, size: int) -> None:
        """Let the kernel hold little of what later connections send and nobody reads; `size` is in bytes."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def crash(self) -> None:
        """Crash: reset every connection, and stop listening."""
        self._end()
        for peer in list(self._peers.values()):
            self._reset(peer)
        self._selector.close()

    def stop(self) -> None:
        """Stop as after SIGTERM: send each client a hint, and end each stream."""
        self._end()
        for peer in list(self._peers.values()):
            try:
                peer.sock.sendall(SERVER_CLOSE)
                peer.sock.shutdown(socket.SHUT_WR)
                peer.sock.settimeout(5)
                while peer.sock.recv(65536):
                    pass
            except OSError:
                pass
            self._drop(peer)
        self._selector.close()

    def reset_all(self) -> None:
        """Reset every connection."""
        with self._lock:
            for peer in list(self._peers.values()):
                self._reset(peer)

    def hang_up_all(self) -> None:
        """Close every connection."""
        with self._lock:
            for peer in list(self._peers.values()):
                self._drop(peer)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Crash, unless it was stopped."""
        if self._thread is not None:
            self.crash()

    def _end(self) -> None:
        assert self._thread is not None
        self._ended.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._thread = None
        self._listener.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.005):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif self.reads and (peer := self._peers.get(key.fileobj)):  # type: ignore[call-overload]
                        self._read(peer)
            if not self.reads:
                self._ended.wait(0.001)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        self.opened += 1
        self._peers[sock] = ConnectedClient(sock, self._max_data)
        self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, peer: ConnectedClient) -> None:
        try:
            data = peer.sock.recv(256 * 1024)
            if not data:
                self._drop(peer)
                return
            for event in peer.session.feed(data):
                self._handle(peer, event)
                if peer.sock not in self._peers:
                    return
        except OSError:
            self._drop(peer)
        except WireError:
            self._drop(peer)
            raise

    def _handle(self, peer: ConnectedClient, event: Event) -> None:
        match event:
            case Open(offers=offers):
                self.names.add(offers.name)
                if offers.stream and self._keeps_streams:
                    self._fence(peer, offers.stream[0])
                durable = None if peer.stream is None else self.streams.get(peer.stream, 0)
                peer.sock.sendall(peer.session.accept(durable))
            case Block(txnr=txnr, number=number, data=data):
                self._store(peer, number, bytes(data))
                if self.acks and peer.sock in self._peers:
                    peer.sock.sendall(peer.session.ack(txnr))
            case Message(txnr=txnr, data=data):
                self._store(peer, None, bytes(data) + b"\n")
                if self.acks and peer.sock in self._peers:
                    peer.sock.sendall(peer.session.ack(txnr))
            case Close(txnr=txnr):
                self._close_stream(peer, txnr)
            case Oversized(txnr=txnr, length=length):
                peer.sock.sendall(peer.session.reject(txnr, f"{length} bytes are too many"))

    def _close_stream(self, peer: ConnectedClient, txnr: int) -> None:
        self.closed += 1
        if peer.stream is not None:
            self.streams.pop(peer.stream, None)
        if self.says_goodbye:
            peer.sock.sendall(peer.session.ack(txnr))
            self._drop(peer)

    def _fence(self, peer: ConnectedClient, stream: bytes) -> None:
        for other in list(self._peers.values()):
            if other.stream == stream:
                self._drop(other)
        peer.stream = stream

    def _store(self, peer: ConnectedClient, number: int | None, data: bytes) -> None:
        if self.poison and self.poison in data:
            self._drop(peer)
        elif self.stores:
            self.blocks.append(data)
            if peer.stream is not None and number is not None:
                assert number > self.streams.get(peer.stream, 0)
                self.streams[peer.stream] = number

    def _reset(self, peer: ConnectedClient) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._drop(peer)

    def _drop(self, peer: ConnectedClient) -> None:
        self._peers.pop(peer.sock, None)
        if peer.sock.fileno() >= 0:
            self._selector.unregister(peer.sock)
        peer.sock.close()
