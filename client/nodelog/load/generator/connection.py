"""One numbered connection of a load: its schedule, its position in its lines, and its socket, if any.

How lines are sent and acknowledged depends on the protocol: see `LineStream` and `RelpStream`.
"""

from __future__ import annotations

import random
import select
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from nodelog.backoff import delays

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from nodelog.load.generator.settings import Settings


class Connection(ABC):
    """What the sender and the connection pool know of a connection, whatever its protocol."""

    has_acks = False
    """True if the collector acknowledges what it has stored."""
    has_sent_share = False
    """True if its socket has carried all the lines it was to carry, and another one follows."""
    has_resends = False
    """True if lines must be sent again before any scheduled write."""

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.quota = settings.line_quota(number)
        self.sock: socket.socket | None = None
        self.registered_events = 0  # the epoll events its socket is registered for
        self.is_connecting = False
        self.is_blocked = False  # the socket's send buffer is full
        self.is_closing = False  # our side is closed, the other side is awaited
        self.write_start = self.write_end = 0  # the lines of the current write; the end is exclusive
        self.write_offset = 0  # bytes of the current write that were handed to the kernel
        self.write_index = -1
        self.due_at = 0  # when the current write was due, in nanoseconds
        self._delays: Iterator[float] | None = None

    @property
    @abstractmethod
    def written(self) -> int:
        """Number of lines that were completely handed to the kernel."""

    @property
    @abstractmethod
    def sent(self) -> int:
        """Number of lines that count as sent; they are the first ones of the connection."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether it needs no socket any more."""

    @property
    @abstractmethod
    def can_close(self) -> bool:
        """Whether to tell the other side that nothing more is sent over this socket."""

    @property
    def wanted_events(self) -> int:
        """The epoll events that its socket should be registered for."""
        return select.EPOLLOUT if self.is_connecting else self._session_events()

    def start_next_write(self, lines: int) -> None:
        """Move on to the next write, of this number of lines."""
        self.write_start = self.write_end
        self.write_end = self.write_start + lines
        if self.quota is not None and self.write_end > self.quota:
            self.write_end = self.quota
        self.write_offset = 0
        self.write_index += 1

    def start_session(self) -> None:
        """Send what comes first over a new socket; the first write waits for room. Raises OSError."""
        self.is_blocked = True

    @abstractmethod
    def wait_for_session(self) -> None:
        """Wait until lines may be sent; the socket has a timeout. Raises OSError."""

    @abstractmethod
    def send(self) -> bool:
        """Hand as much of the write to the kernel as it takes; return True if that is all. Raises OSError."""

    @abstractmethod
    def receive(self, events: int) -> bool:
        """Handle what the other side sent; return True if the socket is of no more use. Raises OSError."""

    @abstractmethod
    def stop(self) -> None:
        """Begin no further write, nor a further line where a write may be cut short."""

    @abstractmethod
    def close_session(self) -> None:
        """Shut down the sending side. Raises OSError."""

    def handle_disconnect(self) -> float:
        """Go back to the first line that has not arrived; return the seconds to wait before reconnecting."""
        if self._rewind():
            self._delays = None
        self.sock = None
        self.is_connecting = self.is_blocked = self.is_closing = False
        if self._delays is None:
            self._delays = delays(random.random)
        return next(self._delays)

    @abstractmethod
    def _session_events(self) -> int:
        """Return the epoll events for a connected socket."""

    @abstractmethod
    def _rewind(self) -> bool:
        """Go back to the first line that has not arrived; return True if the socket was of use."""
