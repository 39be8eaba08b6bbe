"""The agent's own pages: `/healthz`, `/readyz` with reasons, `/metrics` and `/status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems


def status_pages(
    metrics: Metrics, problems: Problems, status: Callable[[], dict[str, object]]
) -> web.Application:
    """Return the web application; it knows nothing of sockets."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})  # the answer itself is the proof

    async def readyz(_: web.Request) -> web.Response:
        reasons = problems.reasons()
        text = "not ready" if reasons else "ready"
        return web.json_response({"status": text, "reasons": reasons}, status=503 if reasons else 200)

    async def show_status(_: web.Request) -> web.Response:
        return web.json_response(status())

    async def show_metrics(_: web.Request) -> web.Response:
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1024)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/status", show_status)
    app.router.add_get("/metrics", show_metrics)
    return app
