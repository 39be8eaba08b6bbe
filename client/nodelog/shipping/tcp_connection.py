"""One TCP connection to a collector that never makes its thread wait, and notes why it failed."""

from __future__ import annotations

import os
import socket
from collections import deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

Endpoint: TypeAlias = "tuple[int, Any]"
"""The family of an address, and the address."""

_MAX_PIECES: Final = 64  # for one call of the kernel, which takes 1024 at the most
_READ_BYTES: Final = 64 * 1024


def resolve(hosts: Iterable[str], port: int) -> list[Endpoint]:
    """List where to connect to, in order; only names have to be looked up. Raises OSError."""
    return list(dict.fromkeys(place for host in hosts for place in _resolve_host(host, port)))


def _resolve_host(host: str, port: int) -> list[Endpoint]:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        # Not by getaddrinfo: it has locks and imports, which a forked child may find half done.
        return [(family, (host, port))]
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in infos]


def format_endpoint(place: Endpoint) -> str:
    """Name a place as people write it."""
    host, port, *_ = place[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_hangup(error: OSError) -> bool:
    """Tell whether the other side ended a connection."""
    return isinstance(error, ConnectionResetError | BrokenPipeError)


class TcpConnection:
    """A connection that is being made. Once there is a `failure` it is to be closed."""

    def __init__(self, place: Endpoint) -> None:
        family, address = place
        self.is_connecting = True
        self.failure = ""
        self.closed_by_peer = False
        """By the other side."""
        self._unsent: deque[memoryview] = deque()
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with self._recording_failure():
            self.socket.connect(address)

    @property
    def wants_write(self) -> bool:
        """Tell whether it waits until it can write."""
        return self.is_connecting or bool(self._unsent)

    def finish_connecting(self) -> bool:
        """Tell how connecting went, when it is over."""
        with self._recording_failure():
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            self.is_connecting = False
        return not self.is_connecting

    def write(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Send these pieces after those that are still to be sent, as far as it goes now."""
        self._unsent.extend(memoryview(piece) for piece in pieces if piece)
        with self._recording_failure():
            while self._unsent:
                self._discard_sent(self.socket.sendmsg(list(islice(self._unsent, _MAX_PIECES))))

    def read(self) -> list[bytes]:
        """Give all that has come."""
        received: list[bytes] = []
        with self._recording_failure():
            while data := self.socket.recv(_READ_BYTES):
                received.append(data)
            self.failure, self.closed_by_peer = "it hung up", True
        return received

    def close(self) -> None:
        """Hang up."""
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
