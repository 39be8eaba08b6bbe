"""One numbered connection of a load: its plan, its place among its lines, and its socket while it has one.

What becomes of a line between our hand and the file is the protocol's: `Plain` and `Relp` say it.
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
    """What the sender and the sockets need to know of a connection, whatever it speaks."""

    is_acknowledged = False
    """True if the collector says what it has stored."""
    has_had_its_share = False
    """True if its socket has carried all that it was to carry, and another one follows."""
    is_behind = False
    """True if lines are to be sent again, whatever is planned."""

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.quota = settings.quota(number)
        self.sock: socket.socket | None = None
        self.watched = 0  # what the socket is watched for
        self.connecting = False
        self.blocked = False  # the kernel has to take more before there is a use in pushing
        self.ended = False  # we have said that no more comes, and wait for the other side
        self.first = self.last = 0  # lines of the write it is at; `offset` bytes of it are handed over
        self.offset = 0
        self.nth = -1  # write
        self.planned = 0  # when it was to happen, nanoseconds
        self._delays: Iterator[float] | None = None

    @property
    @abstractmethod
    def handed(self) -> int:
        """How many lines were wholly handed to the kernel."""

    @property
    @abstractmethod
    def sent(self) -> int:
        """How many lines count as sent, the first ones of all."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """True if it needs no socket any more."""

    @property
    @abstractmethod
    def is_through(self) -> bool:
        """True if the other side is to be told that no more comes over this socket."""

    @property
    def interest(self) -> int:
        """What its socket is to be watched for now."""
        return select.EPOLLOUT if self.connecting else self._interest()

    def next_write(self, lines: int) -> None:
        """Go on to the write after this one."""
        self.first = self.last
        self.last = self.first + lines
        if self.quota is not None and self.last > self.quota:
            self.last = self.quota
        self.offset = 0
        self.nth += 1

    def greet(self) -> None:
        """Say what comes first over a new socket, and look when it takes more. Raises OSError."""
        self.blocked = True

    @abstractmethod
    def await_welcome(self) -> None:
        """Wait until lines may be sent; the socket has a timeout. Raises OSError."""

    @abstractmethod
    def push(self) -> bool:
        """Hand over what is taken of the write; True if that is all of it. Raises OSError."""

    @abstractmethod
    def hear(self, event: int) -> bool:
        """Take what the other side says; True if the socket is of no more use. Raises OSError."""

    @abstractmethod
    def stop(self) -> None:
        """Begin no other write, or line where a write may be cut."""

    @abstractmethod
    def end(self) -> None:
        """Say that no more comes. Raises OSError."""

    def disconnected(self) -> float:
        """Go back to what has not arrived; give the seconds to wait before the next try."""
        if self._rewind():
            self._delays = None
        self.sock = None
        self.connecting = self.blocked = self.ended = False
        if self._delays is None:
            self._delays = delays(random.random)
        return next(self._delays)

    @abstractmethod
    def _interest(self) -> int:
        """Say what a socket that is connected is to be watched for."""

    @abstractmethod
    def _rewind(self) -> bool:
        """Go back to what has not arrived; True if the socket was of use."""
