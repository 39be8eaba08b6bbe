"""A collector for tests: a thread that keeps what it receives, and can misbehave."""

import selectors
import socket
import struct
import threading
from pathlib import Path
from typing import Self

RESET = struct.pack("ii", 1, 0)


class Sink:
    """Keeps what each connection sent. Like a collector it drops the incomplete line of a dead connection."""

    def __init__(
        self,
        *,
        reset_after: int | None = None,
        end_stream_after: int | None = None,
        read_from_start: bool = True,
    ) -> None:
        """Listen. After this many bytes, reset the first three connections, or end the stream to them."""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        # A small buffer, so that a sender is not done before it notices anything.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port: int = self.listener.getsockname()[1]
        self.received: list[bytes] = []
        self.bytes = 0  # received so far
        self.disruptions = 0  # connections that it reset, or ended its stream to
        self._reset_after = reset_after
        self._end_stream_after = end_stream_after
        self._ended_streams: set[socket.socket] = set()
        self._ended = threading.Event()
        self._read = threading.Event()
        if read_from_start:
            self._read.set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; connections that are still open are closed."""
        self._read.set()
        self._ended.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.listener.close()

    def read(self) -> None:
        """Start to read, if it does not read from the start."""
        self._read.set()

    def write_to(self, path: Path) -> Path:
        """Write the whole lines that were received; return the path."""
        path.write_bytes(b"".join(data[: data.rfind(b"\n") + 1] for data in self.received))
        return path

    def _run(self) -> None:
        self._read.wait()
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while not self._ended.is_set() or len(selector.get_map()) > 1:
                for key, _ in selector.select(0.01):
                    if key.fileobj is self.listener:
                        accepted, _ = self.listener.accept()
                        selector.register(accepted, selectors.EVENT_READ, bytearray())
                    else:
                        self._take(selector, key)
                if self._ended.is_set() and not selector.select(0.1):
                    break
            for key in list(selector.get_map().values()):
                if key.fileobj is not self.listener:
                    self._close(selector, key)

    def _take(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        data = sock.recv(65536)
        key.data.extend(data)
        self.bytes += len(data)
        if self._is_reached(self._end_stream_after, key) and sock not in self._ended_streams:
            self.disruptions += 1
            self._ended_streams.add(sock)
            sock.shutdown(socket.SHUT_WR)
        if self._is_reached(self._reset_after, key):
            self.disruptions += 1
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._close(selector, key)
        elif not data:
            self._close(selector, key)

    def _is_reached(self, after: int | None, key: selectors.SelectorKey) -> bool:
        return after is not None and len(key.data) >= after and self.disruptions < 3

    def _close(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        selector.unregister(sock)
        self.received.append(bytes(key.data))
        sock.close()
