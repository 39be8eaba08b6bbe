"""Serves a web application on listening sockets, with limits for its peers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web

from nodeagent.pages.connection_limits import ConnectionLimits

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Iterable

DRAIN_TIMEOUT: Final = 0.5
"""Seconds for the responses under way at the end."""


@asynccontextmanager
async def serving(app: web.Application, sockets: Iterable[socket.socket]) -> AsyncGenerator[None]:
    """Serve the application on these sockets while the block runs."""
    limits = ConnectionLimits()
    app.middlewares.append(limits.middleware())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_TIMEOUT, keepalive_timeout=30.0)
    await runner.setup()
    web_server = cast("web.Server", runner.server)  # there is one since `setup`
    servers: list[asyncio.Server] = []
    try:
        for found in sockets:
            factory = limits.limited(web_server)
            servers.append(await asyncio.get_running_loop().create_server(factory, sock=found))
        yield
    finally:
        for server in servers:
            server.close()
        await runner.cleanup()
