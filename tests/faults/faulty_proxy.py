"""A bad network between clients and logd: a proxy on real sockets that delays, splits, drops and resets."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

READ = 64 * 1024  # bytes
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close resets the connection
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFaults:
    """The probability of each fault, for every piece of data received in either direction."""

    delay: float = 0.2
    max_delay: float = 0.1
    """Seconds."""
    split: float = 0.2
    """The piece is forwarded in two packets, cut anywhere."""
    drop: float = 0.005
    """The piece and everything after it are discarded; the other direction goes on."""
    reset: float = 0.005
    """A part of the piece is forwarded, then both sides are reset."""


class FaultyProxy:
    """Listens on `port` and forwards connections to another local port until the block ends."""

    def __init__(self, target: int, faults: NetworkFaults, seed: int = 1) -> None:
        """Forward to the port of a logd, which may be down at times."""
        self.counts: Counter[str] = Counter()  # of each fault
        self._target = target
        self._faults = faults
        self._random = random.Random(seed)  # noqa: S311 (faults are no secret)
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Start accepting."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop accepting and cut the open connections."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        """Forward both directions until both have ended, or one has failed."""
        with client, suppress(OSError), socket.create_connection((HOST, self._target)) as server:
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while (data := source.recv(READ)) and not self._ended.is_set():
                if not self._pass(data, target):
                    break
            else:
                target.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        _reset(source, target)

    def _pass(self, data: bytes, target: socket.socket) -> bool:
        """Forward a piece, maybe with faults; return False if that ended the connection."""
        faults, chance = self._faults, self._random.random
        cut = self._random.randrange(len(data))
        if chance() < faults.delay:
            self.counts["delayed"] += 1
            self._ended.wait(chance() * faults.max_delay)
        if chance() < faults.drop:
            self.counts["dropped"] += 1
            self._ended.wait(faults.max_delay)
            return False
        if chance() < faults.reset:
            self.counts["reset"] += 1
            target.sendall(data[:cut])
            return False
        if chance() < faults.split:
            self.counts["split"] += 1
            target.sendall(data[:cut])
            data = data[cut:]
            self._ended.wait(chance() * faults.max_delay / 10)
        target.sendall(data)
        return True


def _reset(*sockets: socket.socket) -> None:
    """Reset connections, also those on which another thread is blocked."""
    for sock in sockets:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.shutdown(
                socket.SHUT_RD
            )  # wakes the thread that reads it; the close that follows sends the reset
