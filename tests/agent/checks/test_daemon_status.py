from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientTimeout, web
from tests.agent.peers import be_silent, peer
from tests.processes.logd import StartLogd

from nodeagent.checks import daemon_status
from nodeagent.checks.daemon_status import Daemon, Source, sums
from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics

EVEN = """\
# HELP nodelog_received_bytes_total Bytes.
nodelog_received_bytes_total 100.0
nodelog_written_bytes_total 90.0
nodelog_held_bytes 4.0
nodelog_added_bytes_total{what="stamp"} 2.0
nodelog_dropped_bytes_total{reason="a"} 3.0
nodelog_dropped_bytes_total{reason="b"} 1.0
nodelog_relp_overhead_bytes_total 4.0
"""
UNEVEN = EVEN.replace(" 90.0", " 89.0")


class Pages:
    """What a daemon shows, as a test wants it."""

    def __init__(self) -> None:
        self.ready: dict[str, Any] = {"status": "ready", "reasons": {}}
        self.status: dict[str, Any] = {"version": "0.1.0", "uptime_seconds": 50.0}
        self.metrics = EVEN

    async def show(self, request: web.Request) -> web.Response:
        """Give a page."""
        match request.path:
            case "/readyz":
                return web.json_response(self.ready, status=503 if self.ready["reasons"] else 200)
            case "/status":
                return web.json_response(self.status)
            case _:
                return web.Response(text=self.metrics)


class Watched:
    """A daemon that is looked at, and what is known of it."""

    def __init__(self, url: str) -> None:
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        self.eye = Daemon(Source("logd", url), self.metrics, self.findings)

    def value(self, name: str, **labels: str) -> float | None:
        """Give the value of a metric."""
        found = {"daemon": "logd", **labels} if "ledger" not in name else labels
        return self.metrics.registry.get_sample_value(f"nodelog_agent_{name}", found)


@asynccontextmanager
async def shown(pages: Pages) -> AsyncGenerator[Watched]:
    """Serve these pages."""
    app = web.Application()
    app.router.add_get("/{name}", pages.show)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Watched(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def test_a_real_collector_is_seen(logd: StartLogd) -> None:
    node = logd()
    node.send(b"hello\n")
    watched = Watched(node.http)
    assert await watched.eye.look()
    assert watched.value("daemon_up") == watched.value("daemon_ready") == 1
    assert watched.value("ledger_difference_bytes") == 0
    assert watched.eye.status()["log"] == str(node.log)
    node.kill()
    assert not await watched.eye.look()
    assert watched.value("daemon_up") == watched.value("daemon_ready") == 0
    assert watched.findings.reasons()["logd"] == f"logd does not answer at {node.http}: Connection refused"
    node.restart()
    assert await Watched(node.http).eye.look()


async def test_its_own_reasons_are_passed_on() -> None:
    pages = Pages()
    async with shown(pages) as watched:
        pages.ready = {"status": "not ready", "reasons": {"disk": "no space", "stall": "a write hangs"}}
        assert not await watched.eye.look()
        assert watched.findings.reasons() == {"logd": "logd is not ready: no space; a write hangs"}
        assert watched.value("daemon_up") == 1
        assert watched.value("daemon_ready") == 0


async def test_another_process_than_before_is_a_restart() -> None:
    pages = Pages()
    async with shown(pages) as watched:
        for uptime in (50.0, 51.0, 2.0, 2.5):
            pages.status["uptime_seconds"] = uptime
            assert await watched.eye.look()
        assert watched.value("daemon_restarts_total") == 1


async def test_only_the_version_that_runs_is_shown() -> None:
    pages = Pages()
    async with shown(pages) as watched:
        assert await watched.eye.look()
        pages.status["version"] = "0.2.0"
        assert await watched.eye.look()
        assert watched.value("daemon_version", version="0.2.0") == 1
        assert watched.value("daemon_version", version="0.1.0") is None


async def test_a_difference_that_lasts_is_a_reason() -> None:
    pages = Pages()
    async with shown(pages) as watched:
        pages.metrics = UNEVEN
        await watched.eye.look()
        assert watched.value("ledger_difference_bytes") == 1
        assert "ledger" not in watched.findings.reasons()
        await watched.eye.look()
        assert watched.findings.reasons()["ledger"].startswith("logd received 1 bytes that are neither")
        pages.metrics = EVEN
        await watched.eye.look()
        assert watched.findings.reasons() == {}
        assert watched.value("ledger_difference_bytes") == 0


async def test_a_daemon_without_a_ledger_has_none() -> None:
    pages = Pages()
    pages.metrics = "nodelog_archive_files 3.0\n"
    async with shown(pages) as watched:
        assert await watched.eye.look()
        assert watched.eye.sums == {"nodelog_archive_files": 3.0}


@pytest.mark.parametrize("status", [[], "x", {"reasons": 7}])
async def test_a_page_that_is_not_ours_is_no_fault_of_the_agent(status: object) -> None:
    pages = Pages()
    async with shown(pages) as watched:
        pages.status = status  # type: ignore[assignment]
        await watched.eye.look()


async def test_a_page_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_status, "LIMIT", 1000)
    pages = Pages()
    pages.metrics = "x" * 2000
    async with shown(pages) as watched:
        assert not await watched.eye.look()
        assert "/metrics has more than 1000 bytes" in watched.findings.reasons()["logd"]


async def test_a_daemon_that_does_not_answer_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_status, "PATIENCE", ClientTimeout(total=0.2))

    async with peer(be_silent) as port:
        watched = Watched(f"http://127.0.0.1:{port}")
        assert not await watched.eye.look()
    assert watched.findings.reasons()["logd"].endswith(": no answer within 0.2 s")


def test_samples_are_added_up_over_their_labels() -> None:
    found = sums('# TYPE a counter\na{b="1 2"} 3.0\na{b="}"} 4e+00\nc NaN\nd +Inf\n')
    assert found == {"a": 7.0}
