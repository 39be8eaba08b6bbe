"""A connection that sends lines and nothing else.

Lines are not acknowledged. What the kernel took may be lost with a connection that dies, and shows as lost
when the files are verified: that is what a load is for. A line that the kernel did not take wholly is sent
again from its start, and none before it, so that nothing is doubled by us.

The collector's end of stream (FIN) is looked for, as it announces its leaving: the line under way is
finished, the next goes over another socket.
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.load.generator.connection import Connection

if TYPE_CHECKING:
    from nodelog.load.generator.line_source import Blocks, Singles
    from nodelog.load.generator.settings import Settings

_IDLE: Final = select.EPOLLRDHUP
_OUT: Final = select.EPOLLOUT | _IDLE
_ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Plain(Connection):
    """The lines of one connection, as they stand."""

    def __init__(self, number: int, settings: Settings, supply: Blocks | Singles) -> None:
        super().__init__(number, settings)
        self.supply = supply
        self.leaving = False  # at the end of the line it is in
        self._is_eager = settings.rate is None
        self._size = settings.line_size
        self._start = 0  # its first line over this socket
        self._share = settings.per_connection  # lines over a socket; None: no limit

    @property
    def handed(self) -> int:
        """How many lines were wholly handed to the kernel."""
        return self.first + self.offset // self._size

    sent = handed

    @property
    def is_done(self) -> bool:
        """True if all its lines are handed over."""
        return self.first == self.quota

    @property
    def is_through(self) -> bool:
        """True if no line is handed over in part, and none follows."""
        is_cut = self.leaving and self.offset % self._size == 0
        return self.is_done or is_cut or self.has_had_its_share

    @property
    def has_had_its_share(self) -> bool:  # type: ignore[override] # a fact here, a constant elsewhere
        """True if all lines of this socket are handed over."""
        return self._share is not None and self.first - self._start >= self._share

    def await_welcome(self) -> None:
        """Nobody says anything."""

    def push(self) -> bool:
        """Hand over what the kernel takes of the write, or of the line if it is leaving."""
        end = whole = (self.last - self.first) * self._size
        if self.leaving:
            end = -(-self.offset // self._size) * self._size
        assert self.sock is not None  # noqa: S101 (only a connection that is open is pushed)
        try:
            self.offset += self.sock.send(self.supply.fill(self.number, self.first)[self.offset : end])
        except BlockingIOError:
            self.blocked = True
            return False
        self.blocked = self.offset < end
        return self.offset == whole

    def hear(self, event: int) -> bool:
        """Look for the end; what else the collector says is of no interest."""
        assert self.sock is not None  # noqa: S101 (it is watched, so it is open)
        if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        if event & _ENDED:
            self.leaving = True
            return self.ended
        with suppress(OSError):
            self.sock.recv(65536)
        return False

    def stop(self) -> None:
        """End it after the line it is in."""
        self.leaving = True

    def end(self) -> None:
        """Half-close."""
        assert self.sock is not None  # noqa: S101 (as above)
        self.sock.shutdown(socket.SHUT_WR)

    def disconnected(self) -> float:
        """Go back to what has not arrived; after a share that was read, wait until the next line is due."""
        is_read = self.ended and self.has_had_its_share
        wait = super().disconnected()
        return max(0, self.planned - time.monotonic_ns()) / 1e9 if is_read else wait

    def _interest(self) -> int:
        if self.ended:
            return select.EPOLLIN | _IDLE
        if self.leaving:
            return select.EPOLLOUT
        return _OUT if self._is_eager or self.blocked else _IDLE

    def _rewind(self) -> bool:
        """Keep what is not handed over wholly; an end in the middle of the load is not ours."""
        done, rest = divmod(self.offset, self._size)
        self.first += done
        self.offset = 0
        self.leaving = False
        was_of_use = rest > 0 or self.first > self._start
        self._start = self.first
        return was_of_use
