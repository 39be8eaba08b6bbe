"""Limits for the peers of a page server: how many connections there may be, and how long one may take.

aiohttp has neither. A connection waits while no request of it is being handled: for the rest of a request,
for the next one, or for a peer that does not read its response. Waiting connections end after a while, and
the oldest of them ends at once when there are too many: half requests cannot lock others out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler, Middleware

MAX_CONNECTIONS: Final = 64
"""Waiting connections of one server."""
TIMEOUT: Final = 10.0
"""Seconds that a connection may wait."""


class ConnectionLimits:
    """The waiting connections of one server. Only for the thread of the running loop."""

    def __init__(self, max_connections: int = MAX_CONNECTIONS, timeout: float = TIMEOUT) -> None:
        self._max = max_connections
        self._timeout = timeout
        self._waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}  # the oldest first

    def limited(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Return a protocol factory whose connections are limited."""
        return lambda: _LimitedProtocol(factory(), self)

    def middleware(self) -> Middleware:
        """Return the middleware that says while a request is being handled."""

        @web.middleware
        async def handling(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.remove(request.transport)
            try:
                return await handler(request)
            finally:
                if request.transport is not None and not request.transport.is_closing():
                    self.add(request.transport)

        return handling

    def add(self, transport: asyncio.BaseTransport) -> None:
        """Record that a connection waits; cut the one that waits longest if there are too many."""
        self.remove(transport)
        if len(self._waiting) >= self._max:
            self._cut(next(iter(self._waiting)))
        loop = asyncio.get_running_loop()
        self._waiting[transport] = loop.call_later(self._timeout, self._cut, transport)

    def remove(self, transport: asyncio.BaseTransport | None) -> None:
        """Record that a connection does not wait any longer."""
        if transport is not None and (timer := self._waiting.pop(transport, None)):
            timer.cancel()

    def _cut(self, transport: asyncio.BaseTransport) -> None:
        self.remove(transport)
        cast("asyncio.Transport", transport).abort()  # uvloop's has no base class that would tell


class _LimitedProtocol(asyncio.Protocol):
    """Passes everything on to the protocol of the server."""

    def __init__(self, inner: Any, limits: ConnectionLimits) -> None:  # noqa: ANN401 (aiohttp's, duck-typed)
        self._limits = limits
        self._inner = inner
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._limits.add(transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.remove(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return cast("bool | None", self._inner.eof_received())

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
