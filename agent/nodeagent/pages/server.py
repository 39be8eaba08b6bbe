"""Serves a web application on listening sockets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Iterable

DRAIN_TIMEOUT: Final = 0.5
"""Seconds for the responses under way at the end."""


@asynccontextmanager
async def serving(app: web.Application, sockets: Iterable[socket.socket]) -> AsyncGenerator[None]:
    """Serve the application on these sockets while the block runs."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_TIMEOUT, keepalive_timeout=30.0)
    await runner.setup()
    try:
        for found in sockets:
            await web.SockSite(runner, found).start()
        yield
    finally:
        await runner.cleanup()
