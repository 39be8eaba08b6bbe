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
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to how many of the pieces that come, in either direction."""

    delay: float = 0.2
    longest: float = 0.1
    """Seconds of a delay."""
    split: float = 0.2
    """Sent on in two packets, cut anywhere."""
    drop: float = 0.005
    """It and all behind it go nowhere, while the other direction goes on."""
    reset: float = 0.005
    """The first part of it is sent on, then both sides are reset."""


class Proxy:
    """Listens on `port` of this machine for what is meant for another port of it, while the block lasts."""

    def __init__(self, target: int, weather: Weather, seed: int = 1) -> None:
        """Take the port of logd, which need not be there all the time."""
        self.counts: Counter[str] = Counter()  # of what has happened
        self._target = target
        self._weather = weather
        self._random = random.Random(seed)  # noqa: S311 (weather is no secret)
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Begin."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take no more connections, and cut those there are."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        """Carry both directions until both have ended, or one of them badly."""
        with client, suppress(OSError), socket.create_connection((HOST, self._target)) as server:
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        """Send it on in some way; False if that was the end."""
        weather, chance = self._weather, self._random.random
        cut = self._random.randrange(len(data))
        if chance() < weather.delay:
            self.counts["delayed"] += 1
            self._ended.wait(chance() * weather.longest)
        if chance() < weather.drop:
            self.counts["dropped"] += 1
            self._ended.wait(weather.longest)
            return False
        if chance() < weather.reset:
            self.counts["reset"] += 1
            target.sendall(data[:cut])
            return False
        if chance() < weather.split:
            self.counts["split"] += 1
            target.sendall(data[:cut])
            data = data[cut:]
            self._ended.wait(chance() * weather.longest / 10)
        target.sendall(data)
        return True


def _reset(*sockets: socket.socket) -> None:
    """Have the other ends see a reset, whoever else is waiting for these now."""
    for one in sockets:
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.shutdown(socket.SHUT_RD)  # wakes who reads it; the close that follows is the reset
