"""One TCP connection to a collector: it never blocks its thread, and records why it failed."""

from __future__ import annotations

# Not for the connection itself: gevent and eventlet replace the class in `socket`.
import _socket
import os
import socket
import struct
from collections import deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from nodelog.shipping.network.own_socket import NO_SIGNAL, OwnSocket
from nodelog.shipping.network.path_check import PathCheck, enable_keepalive, read_tcp_state

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from nodelog.shipping.network.name_lookup import Endpoint

_MAX_PIECES: Final = 64  # per system call, whose limit is 1024
_READ_BYTES: Final = 64 * 1024
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, and discard what is unsent


def format_endpoint(endpoint: Endpoint) -> str:
    """Return `address:port`, with brackets around an IPv6 address."""
    host, port, *_ = endpoint[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_hangup(error: OSError) -> bool:
    """Return whether this error means that the other side closed the connection."""
    return isinstance(error, ConnectionResetError | BrokenPipeError)


class TcpConnection:
    """A non-blocking connection, starting to connect. Once `failure` is set, close it."""

    def __init__(self, endpoint: Endpoint) -> None:
        family, address = endpoint
        self.is_connecting = True
        self.failure = ""
        self.closed_by_peer = False
        """True if the failure is that the other side hung up."""
        self._unsent: deque[memoryview] = deque()
        self._path_check = PathCheck()
        raw = _socket.socket(family, socket.SOCK_STREAM)
        self.socket = OwnSocket(raw)
        with self._recording_failure():
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            enable_keepalive(raw)
            raw.connect(address)

    @property
    def wants_write(self) -> bool:
        """Return whether to wait until the socket is writable."""
        return self.is_connecting or bool(self._unsent)

    def finish_connecting(self) -> bool:
        """Finish the connection attempt, once the socket is ready; return whether it succeeded."""
        if self.failure:  # it failed at once, as without a free port; the kernel does not say so again
            return False
        with self._recording_failure():
            code = self.socket.get().getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            self.is_connecting = False
        return not self.is_connecting

    def write(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Send these pieces after those still unsent, as far as possible now; keep the rest."""
        self._unsent.extend(memoryview(piece) for piece in pieces if piece)
        with self._recording_failure():
            while self._unsent:
                pieces = list(islice(self._unsent, _MAX_PIECES))
                self._discard_sent(self.socket.get().sendmsg(pieces, (), NO_SIGNAL))

    def read(self) -> list[bytes]:
        """Return all that has arrived."""
        received: list[bytes] = []
        with self._recording_failure():
            while data := self.socket.get().recv(_READ_BYTES):
                received.append(data)
            self.failure, self.closed_by_peer = "it closed the connection", True
        return received

    def check_path(self, now: float) -> None:
        """Fail if the other side's kernel does not answer any more; `now` is a monotonic time in seconds."""
        with self._recording_failure():
            silent_seconds = self._path_check.silent_seconds(read_tcp_state(self.socket.get()), now)
            if silent_seconds and not self.failure:
                self.failure = f"its host has not answered for {silent_seconds:.0f} s"
                # A path that comes back must not deliver what is sent again over the next connection.
                self.socket.get().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _discard_sent(self, size: int) -> None:
        while size:
            first = self._unsent[0]
            if size < len(first):
                self._unsent[0] = first[size:]
                return
            size -= len(first)
            self._unsent.popleft()

    @contextmanager
    def _recording_failure(self) -> Generator[None]:
        try:
            yield
        except BlockingIOError:
            pass
        except OSError as error:
            self.failure = error.strerror or str(error)
            self.closed_by_peer = is_hangup(error)
