"""The agent's pages: `/healthz`, `/readyz` with reasons, `/metrics` and `/status`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable, Iterable

    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics

DRAIN: Final = 0.5
"""Seconds for answers under way at the end."""


def pages(metrics: Metrics, findings: Findings, status: Callable[[], dict[str, object]]) -> web.Application:
    """Make the application; it knows nothing of sockets."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})  # that it answers is all there is to say

    async def readyz(_: web.Request) -> web.Response:
        reasons = findings.reasons()
        text = "not ready" if reasons else "ready"
        return web.json_response({"status": text, "reasons": reasons}, status=503 if reasons else 200)

    async def shown(_: web.Request) -> web.Response:
        return web.json_response(status())

    async def counted(_: web.Request) -> web.Response:
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1024)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/status", shown)
    app.router.add_get("/metrics", counted)
    return app


@asynccontextmanager
async def serving(app: web.Application, sockets: Iterable[socket.socket]) -> AsyncGenerator[None]:
    """Serve an application on these sockets as long as the block lasts."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN, keepalive_timeout=30.0)
    await runner.setup()
    try:
        for found in sockets:
            await web.SockSite(runner, found).start()
        yield
    finally:
        await runner.cleanup()
