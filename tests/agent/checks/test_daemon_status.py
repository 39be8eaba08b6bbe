from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientTimeout, web
from tests.agent.fake_peer import fake_peer, never_answer
from tests.processes.logd import StartLogd

from nodeagent.checks import daemon_status
from nodeagent.checks.daemon_status import DaemonStatus, sum_metrics
from nodeagent.metrics import Metrics
from nodeagent.problems import Problems
from nodeagent.settings import DaemonAddress

BALANCED = """\
# HELP nodelog_received_bytes_total Bytes.
nodelog_received_bytes_total 100.0
nodelog_written_bytes_total 90.0
nodelog_held_bytes 4.0
nodelog_added_bytes_total{what="stamp"} 2.0
nodelog_dropped_bytes_total{reason="a"} 3.0
nodelog_dropped_bytes_total{reason="b"} 1.0
nodelog_relp_overhead_bytes_total 4.0
"""
UNBALANCED = BALANCED.replace(" 90.0", " 89.0")


class FakeDaemon:
    """A daemon whose pages a test chooses."""

    def __init__(self) -> None:
        self.ready: dict[str, Any] = {"status": "ready", "reasons": {}}
        self.status: dict[str, Any] = {"version": "0.1.0", "uptime_seconds": 50.0}
        self.metrics = BALANCED

    async def get(self, request: web.Request) -> web.Response:
        """Return a page."""
        match request.path:
            case "/readyz":
                return web.json_response(self.ready, status=503 if self.ready["reasons"] else 200)
            case "/status":
                return web.json_response(self.status)
            case _:
                return web.Response(text=self.metrics)


class CheckedDaemon:
    """The check of a daemon, with its metrics and problems."""

    def __init__(self, url: str) -> None:
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        self.check = DaemonStatus(DaemonAddress("logd", url), self.metrics, self.problems)

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a metric."""
        found = {"daemon": "logd", **labels} if "ledger" not in name else labels
        return self.metrics.registry.get_sample_value(f"nodelog_agent_{name}", found)


@asynccontextmanager
async def serving(daemon: FakeDaemon) -> AsyncGenerator[CheckedDaemon]:
    """Serve the pages of the daemon and yield its check."""
    app = web.Application()
    app.router.add_get("/{name}", daemon.get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield CheckedDaemon(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def test_a_real_collector_is_up_and_ready_while_it_runs(logd: StartLogd) -> None:
    node = logd()
    node.send(b"hello\n")
    checked = CheckedDaemon(node.http)
    assert await checked.check.run()
    assert checked.value("daemon_up") == checked.value("daemon_ready") == 1
    assert checked.value("ledger_difference_bytes") == 0
    assert checked.check.status()["log"] == str(node.log)
    node.kill()
    assert not await checked.check.run()
    assert checked.value("daemon_up") == checked.value("daemon_ready") == 0
    assert checked.problems.reasons()["logd"] == f"logd does not answer at {node.http}: Connection refused"
    node.restart()
    assert await CheckedDaemon(node.http).check.run()


async def test_the_reasons_of_the_daemon_are_passed_on() -> None:
    daemon = FakeDaemon()
    async with serving(daemon) as checked:
        daemon.ready = {"status": "not ready", "reasons": {"disk": "no space", "stall": "a write hangs"}}
        assert not await checked.check.run()
        assert checked.problems.reasons() == {"logd": "logd is not ready: no space; a write hangs"}
        assert checked.value("daemon_up") == 1
        assert checked.value("daemon_ready") == 0


async def test_what_a_ready_daemon_cannot_do_is_a_problem() -> None:
    daemon = FakeDaemon()
    async with serving(daemon) as checked:
        daemon.ready["degraded"] = {"rotation": "cannot rename the log"}
        assert not await checked.check.run()
        assert checked.problems.reasons() == {"logd": "logd does not do all its work: cannot rename the log"}
        assert checked.value("daemon_ready") == 1
        del daemon.ready["degraded"]
        assert await checked.check.run()


async def test_a_new_process_counts_as_a_restart() -> None:
    daemon = FakeDaemon()
    async with serving(daemon) as checked:
        for uptime in (50.0, 51.0, 2.0, 2.5):
            daemon.status["uptime_seconds"] = uptime
            assert await checked.check.run()
        assert checked.value("daemon_restarts_total") == 1


async def test_only_the_running_version_is_shown() -> None:
    daemon = FakeDaemon()
    async with serving(daemon) as checked:
        assert await checked.check.run()
        daemon.status["version"] = "0.2.0"
        assert await checked.check.run()
        assert checked.value("daemon_version", version="0.2.0") == 1
        assert checked.value("daemon_version", version="0.1.0") is None


async def test_bytes_that_stay_missing_are_a_problem() -> None:
    daemon = FakeDaemon()
    async with serving(daemon) as checked:
        daemon.metrics = UNBALANCED
        await checked.check.run()
        assert checked.value("ledger_difference_bytes") == 1
        assert "ledger" not in checked.problems.reasons()
        await checked.check.run()
        assert checked.problems.reasons()["ledger"].startswith("logd received 1 bytes that are neither")
        daemon.metrics = BALANCED
        await checked.check.run()
        assert checked.problems.reasons() == {}
        assert checked.value("ledger_difference_bytes") == 0


async def test_a_daemon_without_byte_counts_is_fine() -> None:
    daemon = FakeDaemon()
    daemon.metrics = "nodelog_archive_files 3.0\n"
    async with serving(daemon) as checked:
        assert await checked.check.run()
        assert checked.check.metric_sums == {"nodelog_archive_files": 3.0}


@pytest.mark.parametrize("status", [[], "x", {"reasons": 7}])
async def test_a_foreign_page_raises_no_fault_in_the_agent(status: object) -> None:
    daemon = FakeDaemon()
    async with serving(daemon) as checked:
        daemon.status = status  # type: ignore[assignment]
        await checked.check.run()


async def test_a_page_that_is_too_large_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_status, "MAX_PAGE_SIZE", 1000)
    daemon = FakeDaemon()
    daemon.metrics = "x" * 2000
    async with serving(daemon) as checked:
        assert not await checked.check.run()
        assert "/metrics has more than 1000 bytes" in checked.problems.reasons()["logd"]


async def test_a_daemon_that_does_not_answer_in_time_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_status, "TIMEOUT", ClientTimeout(total=0.2))

    async with fake_peer(never_answer) as port:
        checked = CheckedDaemon(f"http://127.0.0.1:{port}")
        assert not await checked.check.run()
    assert checked.problems.reasons()["logd"].endswith(": no answer within 0.2 s")


def test_samples_are_summed_over_their_labels() -> None:
    found = sum_metrics('# TYPE a counter\na{b="1 2"} 3.0\na{b="}"} 4e+00\nc NaN\nd +Inf\n')
    assert found == {"a": 7.0}
