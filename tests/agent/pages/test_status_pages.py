import json
from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession, web

from nodeagent.metrics import Metrics
from nodeagent.pages.server import serving
from nodeagent.pages.status_pages import status_pages
from nodeagent.problems import Problems
from nodelogd.service.listening_sockets import Address, listen_on, port_of


class ServedPages:
    """The pages, and the metrics and problems that they show."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        self.url = ""

    def application(self) -> web.Application:
        """Return the web application."""
        return status_pages(self.metrics, self.problems, lambda: {"disk": {"/x": 1}})

    async def get(self, path: str) -> tuple[int, str]:
        """Request a page."""
        async with ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()


@pytest.fixture
async def pages() -> AsyncGenerator[ServedPages]:
    pages = ServedPages()
    sockets = listen_on(Address("127.0.0.1", 0))
    pages.url = f"http://127.0.0.1:{port_of(sockets)}"
    async with serving(pages.application(), sockets):
        yield pages
    for found in sockets:
        found.close()


async def test_readyz_lists_the_reasons(pages: ServedPages) -> None:
    assert await pages.get("/readyz") == (200, '{"status": "ready", "reasons": {}}')
    pages.problems.report("canary", "no answer")
    code, body = await pages.get("/readyz")
    assert (code, json.loads(body)) == (503, {"status": "not ready", "reasons": {"canary": "no answer"}})
    assert (await pages.get("/healthz"))[0] == 200


async def test_status_and_metrics_are_shown(pages: ServedPages) -> None:
    assert await pages.get("/status") == (200, '{"disk": {"/x": 1}}')
    code, body = await pages.get("/metrics")
    assert code == 200
    assert "\nnodelog_agent_ready 1.0\n" in body


async def test_there_is_no_other_page(pages: ServedPages) -> None:
    assert (await pages.get("/tail"))[0] == 404
