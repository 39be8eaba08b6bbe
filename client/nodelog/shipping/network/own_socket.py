"""A non-blocking socket that is used only while its number stands for it (see `own_descriptor`)."""

from __future__ import annotations

# Not `socket`: gevent and eventlet replace that one.
import _socket
import errno
from contextlib import suppress
from typing import Final

from nodelog.own_descriptor import OwnDescriptor

NO_SIGNAL: Final[int] = getattr(_socket, "MSG_NOSIGNAL", 0)
"""A flag for sending: it must not raise SIGPIPE, which ends a program that has set its default action."""


class OwnSocket:
    """A socket. Raises OSError EBADF once something else in the program has closed it."""

    def __init__(self, raw: _socket.socket) -> None:
        raw.setblocking(False)
        self._raw = raw
        self._descriptor = OwnDescriptor(raw.fileno())
        self._is_closed = False

    @property
    def is_ours(self) -> bool:
        """Return whether it may still be used."""
        return not self._is_closed and self._descriptor.is_ours()

    def fileno(self) -> int:
        """Return its number, -1 once it is closed."""
        return self._raw.fileno()

    def get(self) -> _socket.socket:
        """Return the socket, for one call of the system."""
        if not self.is_ours:
            raise OSError(errno.EBADF, "another part of this program closed its descriptor")
        return self._raw

    def close(self) -> None:
        """Close it, unless it is somebody else's by now."""
        if self.is_ours:
            with suppress(OSError):  # closed by the program just now
                self._raw.close()
        else:
            self._raw.detach()
        self._is_closed = True


def own_socket_pair() -> tuple[OwnSocket, OwnSocket]:
    """Return two connected sockets. Raises OSError if the program has no descriptors left."""
    first, second = _socket.socketpair()
    return OwnSocket(first), OwnSocket(second)
