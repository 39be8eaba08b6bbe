"""How a shipper's thread waits: for its connection, for a deadline, or until another thread wakes it."""

from __future__ import annotations

import math
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelog.shipping.driver import NEVER

if TYPE_CHECKING:
    from nodelog.shipping.network.tcp_connection import TcpConnection


class Wakeup:
    """One thread waits; other threads and signal handlers wake it."""

    def __init__(self) -> None:
        # Sockets instead of a pipe: after `close` their numbers cannot be mistaken for those of another file.
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._receiver, select.POLLIN)

    def wake(self) -> None:
        """Wake the thread, or make its next `wait` return at once."""
        with suppress(OSError):  # so many wake-ups are pending that it cannot miss them, or it is closed
            self._sender.send(b"\0")

    def wait(self, seconds: float, connection: TcpConnection | None) -> bool:
        """Wait for `wake` or for `connection`, at most `seconds`; return whether the connection is ready."""
        if connection is not None:
            events = select.POLLIN | (select.POLLOUT if connection.wants_write else 0)
            self._poll.register(connection.socket, events)
        numbers = [number for number, _ in self._poll.poll(_milliseconds(seconds))]
        if connection is not None:
            self._poll.unregister(connection.socket)
        if self._receiver.fileno() not in numbers:
            return bool(numbers)
        with suppress(BlockingIOError):
            self._receiver.recv(4096)
        return len(numbers) > 1

    def close(self) -> None:
        """Close the sockets; `wake` does nothing from then on."""
        self._receiver.close()
        self._sender.close()


def _milliseconds(seconds: float) -> int | None:
    return None if seconds == NEVER else math.ceil(seconds * 1000)
