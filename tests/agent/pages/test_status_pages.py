import json
from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession, web

from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics
from nodeagent.pages.status_pages import pages, serving
from nodelogd.service.listening_sockets import Address, listen_on, port_of


class Shown:
    """Pages that are served, and what is behind them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        self.url = ""

    def application(self) -> web.Application:
        """Make them."""
        return pages(self.metrics, self.findings, lambda: {"disk": {"/x": 1}})

    async def get(self, path: str) -> tuple[int, str]:
        """Ask for a page."""
        async with ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def shown() -> AsyncGenerator[Shown]:
    shown = Shown()
    sockets = listen_on(Address("127.0.0.1", 0))
    shown.url = f"http://127.0.0.1:{port_of(sockets)}"
    async with serving(shown.application(), sockets):
        yield shown
    for found in sockets:
        found.close()


async def test_readyz_gives_the_reasons(shown: Shown) -> None:
    assert await shown.get("/readyz") == (200, '{"status": "ready", "reasons": {}}')
    shown.findings.tell("canary", "no answer")
    code, body = await shown.get("/readyz")
    assert (code, json.loads(body)) == (503, {"status": "not ready", "reasons": {"canary": "no answer"}})
    assert (await shown.get("/healthz"))[0] == 200


async def test_status_and_metrics_are_shown(shown: Shown) -> None:
    assert await shown.get("/status") == (200, '{"disk": {"/x": 1}}')
    code, body = await shown.get("/metrics")
    assert code == 200
    assert "\nnodelog_agent_ready 1.0\n" in body


async def test_there_is_nothing_else(shown: Shown) -> None:
    assert (await shown.get("/tail"))[0] == 404
