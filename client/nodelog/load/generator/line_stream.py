"""A connection that sends plain lines, without acknowledgements.

What the kernel accepted may be lost when a connection dies, and shows as lost when the files are verified:
finding that out is what a load is for. A line that the kernel did not accept completely is sent again from
its start, and none before it, so that the generator itself doubles nothing.

The collector announces its shutdown by ending its stream (FIN): the current line is then finished, and the
next one goes over another socket.
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
    from nodelog.load.generator.line_source import BlockSource, SingleLineSource
    from nodelog.load.generator.settings import Settings

_IDLE: Final = select.EPOLLRDHUP
_OUT: Final = select.EPOLLOUT | _IDLE
_HANGUP: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class LineStream(Connection):
    """The lines of one connection, sent as they are."""

    def __init__(self, number: int, settings: Settings, source: BlockSource | SingleLineSource) -> None:
        super().__init__(number, settings)
        self.source = source
        self.is_leaving = False  # at the end of the current line
        self._is_flat_out = settings.rate is None
        self._size = settings.line_size
        self._socket_start = 0  # the first line over this socket
        self._share = settings.per_connection  # lines per socket; None: no limit

    @property
    def written(self) -> int:
        """Number of lines that were completely handed to the kernel."""
        return self.write_start + self.write_offset // self._size

    sent = written

    @property
    def is_done(self) -> bool:
        """Whether all its lines were handed to the kernel."""
        return self.write_start == self.quota

    @property
    def can_close(self) -> bool:
        """Whether no line is partly sent, and none follows over this socket."""
        is_cut = self.is_leaving and self.write_offset % self._size == 0
        return self.is_done or is_cut or self.has_sent_share

    @property
    def has_sent_share(self) -> bool:  # type: ignore[override] # a fact here, a constant elsewhere
        """Whether all lines of this socket were handed to the kernel."""
        return self._share is not None and self.write_start - self._socket_start >= self._share

    def wait_for_session(self) -> None:
        """Return at once: there is no session."""

    def send(self) -> bool:
        """Hand as much of the write to the kernel as it takes, or of the current line when leaving."""
        end = size = (self.write_end - self.write_start) * self._size
        if self.is_leaving:
            end = -(-self.write_offset // self._size) * self._size
        assert self.sock is not None  # noqa: S101 (only an open connection is asked to send)
        try:
            data = self.source.lines(self.number, self.write_start)[self.write_offset : end]
            self.write_offset += self.sock.send(data)
        except BlockingIOError:
            self.is_blocked = True
            return False
        self.is_blocked = self.write_offset < end
        return self.write_offset == size

    def receive(self, events: int) -> bool:
        """Check for the end of the stream; anything else the collector sends is ignored."""
        assert self.sock is not None  # noqa: S101 (its socket is polled, so it is open)
        if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        if events & _HANGUP:
            self.is_leaving = True
            return self.is_closing
        with suppress(OSError):
            self.sock.recv(65536)
        return False

    def stop(self) -> None:
        """Leave after the current line."""
        self.is_leaving = True

    def close_session(self) -> None:
        """Shut down our side of the socket."""
        assert self.sock is not None  # noqa: S101 (as above)
        self.sock.shutdown(socket.SHUT_WR)

    def handle_disconnect(self) -> float:
        """Go back to what was not read; after a share that was read, wait until the next line is due."""
        is_read = self.is_closing and self.has_sent_share
        wait = super().handle_disconnect()
        return max(0, self.due_at - time.monotonic_ns()) / 1e9 if is_read else wait

    def _session_events(self) -> int:
        if self.is_closing:
            return select.EPOLLIN | _IDLE
        if self.is_leaving:
            return select.EPOLLOUT
        return _OUT if self._is_flat_out or self.is_blocked else _IDLE

    def _rewind(self) -> bool:
        """Go back to the first line that was not completely handed over; leaving was for this socket only."""
        done, rest = divmod(self.write_offset, self._size)
        self.write_start += done
        self.write_offset = 0
        self.is_leaving = False
        was_of_use = rest > 0 or self.write_start > self._socket_start
        self._socket_start = self.write_start
        return was_of_use
