"""How a shipper's thread waits: for its connection, for a deadline, or until another thread wakes it."""

from __future__ import annotations

import math
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog import unpatched
from nodelog.shipping.driver import NEVER
from nodelog.shipping.network.own_socket import NO_SIGNAL, own_socket_pair

if TYPE_CHECKING:
    from nodelog.shipping.network.tcp_connection import TcpConnection

_RETRY_SECONDS: Final = 0.1
"""The pause before sockets that the program has closed are made again."""


class Wakeup:
    """One thread waits; other threads and signal handlers wake it. Raises OSError if it cannot be made."""

    def __init__(self) -> None:
        # Sockets instead of a pipe: once both ends are closed, by whomever, a wait for one of them ends.
        self._receiver, self._sender = own_socket_pair()

    def wake(self) -> None:
        """Wake the thread, or make its next `wait` return at once."""
        with suppress(OSError):  # so many wake-ups are pending that it cannot miss them, or it is closed
            self._sender.get().send(b"\0", NO_SIGNAL)

    def wait(self, seconds: float, connection: TcpConnection | None) -> bool:
        """Wait for `wake` or for `connection`, at most `seconds`; return whether the connection is ready."""
        if self._receiver.is_ours and self._sender.is_ours:
            # The program may close a socket at any point of this.
            with suppress(OSError, ValueError):
                return self._poll(seconds, connection)
        if not self._receiver.is_ours or not self._sender.is_ours:
            self._replace()
        return connection is not None  # let it notice if its socket is closed, too

    def close(self) -> None:
        """Close the sockets; `wake` does nothing from then on."""
        self._receiver.close()
        self._sender.close()

    def _poll(self, seconds: float, connection: TcpConnection | None) -> bool:
        """Wait as `wait` does. Raises OSError or ValueError if a socket is closed meanwhile."""
        poll, receiver = unpatched.poll(), self._receiver.fileno()
        poll.register(receiver, select.POLLIN)
        if connection is not None:
            events = select.POLLIN | (select.POLLOUT if connection.wants_write else 0)
            poll.register(connection.socket, events)
        numbers = [number for number, _ in poll.poll(_milliseconds(seconds))]
        if receiver not in numbers:
            return bool(numbers)
        with suppress(OSError):
            self._receiver.get().recv(4096)
        return len(numbers) > 1

    def _replace(self) -> None:
        """Make new sockets: the program has closed these."""
        old = self._receiver, self._sender
        with suppress(OSError):  # no descriptors left: try again at the next wait
            self._receiver, self._sender = own_socket_pair()
        if self._receiver is old[0]:
            unpatched.sleep(_RETRY_SECONDS)
        else:
            for end in old:
                end.close()


def _milliseconds(seconds: float) -> int | None:
    return None if seconds == NEVER else math.ceil(seconds * 1000)
