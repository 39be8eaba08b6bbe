"""How the thread of a shipper waits: for its connection, for its time, or to be woken."""

from __future__ import annotations

import math
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelog.shipping.driver import NEVER

if TYPE_CHECKING:
    from nodelog.shipping.tcp_connection import TcpConnection


class Wakeup:
    """One thread waits, others ring."""

    def __init__(self) -> None:
        # Sockets and not a pipe: once closed, their numbers cannot be taken for those of another file.
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._receiver, select.POLLIN)

    def wake(self) -> None:
        """Wake the thread, or keep it from falling asleep."""
        with suppress(OSError):  # it has been rung so often that it cannot miss it, or is closed
            self._sender.send(b"\0")

    def wait(self, seconds: float, link: TcpConnection | None) -> bool:
        """Wait so long, or until it rings or there is something to do with `link`; tell whether there is."""
        if link is not None:
            self._poll.register(link.socket, select.POLLIN | (select.POLLOUT if link.wants_write else 0))
        numbers = [number for number, _ in self._poll.poll(_milliseconds(seconds))]
        if link is not None:
            self._poll.unregister(link.socket)
        if self._receiver.fileno() not in numbers:
            return bool(numbers)
        with suppress(BlockingIOError):
            self._receiver.recv(4096)
        return len(numbers) > 1

    def close(self) -> None:
        """Close it."""
        self._receiver.close()
        self._sender.close()


def _milliseconds(seconds: float) -> int | None:
    return None if seconds == NEVER else math.ceil(seconds * 1000)
