"""The door: accepts connections up to a limit, beyond which they wait in the kernel's backlog."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nodelogd.collector.lines import Limits, Lines
from nodelogd.collector.stamp import mark

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Sequence

    from nodelogd.collector.intake import Intake
    from nodelogd.collector.metrics import Metrics

log = logging.getLogger(__name__)

AT_ONCE = 256  # connections accepted in one turn of the loop
RETRY = 1.0  # seconds, after the kernel had no descriptor or no memory for a connection


class Door:
    """Listening sockets whose connections go to an intake."""

    def __init__(  # noqa: PLR0913 (what it is put together from)
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Sequence[socket.socket],
        intake: Intake,
        limits: Limits,
        metrics: Metrics,
        *,
        max_connections: int,
    ) -> None:
        """Accept nothing until `open`."""
        self._loop = loop
        self._sockets = list(sockets)
        self._intake = intake
        self._limits = limits
        self._metrics = metrics
        self._max = max_connections
        self._watched = False
        self._failing = False
        intake.on_closed = self._on_closed

    def open(self) -> None:
        """Accept from now on."""
        self._watch()

    def close(self) -> None:
        """Accept whoever is connected already, as far as the kernel knows, then accept nobody any more."""
        self._unwatch()
        for sock in self._sockets:
            while self._accept(sock):
                pass
            sock.close()
        self._sockets.clear()

    def _on_readable(self, sock: socket.socket) -> None:
        for _ in range(AT_ONCE):
            if len(self._intake.connections) >= self._max:
                self._unwatch()
                self._metrics.waiting.set(1)
                log.warning("all %d connections of --max-connections are open; others wait", self._max)
                return
            if not self._accept(sock):
                return

    def _accept(self, sock: socket.socket) -> bool:
        try:
            connection, address = sock.accept()
        except BlockingIOError:
            return False
        except ConnectionAbortedError:
            return True  # gone before we came to it
        except OSError as error:
            log.error("cannot accept a connection: %s; it waits, retrying every %g s", error, RETRY)  # noqa: TRY400
            self._unwatch()
            self._loop.call_later(RETRY, self._watch)
            return False
        connection.setblocking(False)
        self._metrics.accepted.inc()
        stamp = mark(address) if self._limits.stamp else b""
        self._intake.add(Lines(connection, stamp, self._limits, self._metrics))
        self._metrics.connections.set(len(self._intake.connections))
        return True

    def _on_closed(self) -> None:
        open_now = len(self._intake.connections)
        self._metrics.connections.set(open_now)
        if open_now < self._max:
            self._watch()

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._metrics.waiting.set(0)
            for sock in self._sockets:
                self._loop.add_reader(sock.fileno(), self._on_readable, sock)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
