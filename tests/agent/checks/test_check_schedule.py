import asyncio

import pytest
from tests.waiting import until

from nodeagent.checks.check_schedule import ScheduledCheck, next_interval, running_checks
from nodeagent.metrics import Metrics
from nodeagent.problems import Problems


class ScriptedCheck:
    """A check with these results, of which the last one is repeated for ever."""

    name = "scripted"

    def __init__(self, *results: bool | Exception) -> None:
        self._results = list(results)
        self.times: list[float] = []

    async def run(self) -> bool:
        """Return or raise the next result."""
        self.times.append(asyncio.get_running_loop().time())
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def status(self) -> dict[str, object]:
        """Return nothing."""
        return {}

    async def wait_for_runs(self, count: int) -> None:
        """Wait until the check has run `count` times."""
        await until(lambda: len(self.times) >= count)


def test_a_failing_check_runs_more_often() -> None:
    assert next_interval(15, is_ok=True) == 15
    assert next_interval(15, is_ok=False) == 1


async def test_a_check_runs_repeatedly() -> None:
    check = ScriptedCheck(False, True)
    async with running_checks([ScheduledCheck(check, 0.01)], Metrics(), Problems(Metrics())):
        await check.wait_for_runs(4)


async def test_readiness_waits_for_the_first_run() -> None:
    problems, check = Problems(Metrics()), ScriptedCheck(True)
    async with running_checks([ScheduledCheck(check, 60)], Metrics(), problems, delay=0.05):
        await asyncio.sleep(0)
        assert problems.reasons() == {"first scripted": "scripted: not checked yet"}
        await check.wait_for_runs(1)
        assert problems.reasons() == {}


async def test_readiness_does_not_wait_for_a_check_that_takes_long() -> None:
    problems, check = Problems(Metrics()), ScriptedCheck(True)
    scheduled = ScheduledCheck(check, 60, is_awaited=False)
    async with running_checks([scheduled], Metrics(), problems, delay=60):
        await asyncio.sleep(0)
        assert problems.reasons() == {}


async def test_a_fault_in_a_check_is_logged_and_the_check_runs_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics, check = Metrics(), ScriptedCheck(ZeroDivisionError(), True)
    async with running_checks([ScheduledCheck(check, 0.01)], metrics, Problems(metrics)):
        await check.wait_for_runs(2)
    assert metrics.registry.get_sample_value("nodelog_agent_faults_total", {"eye": "scripted"}) == 1
    assert "the check scripted failed with a fault of its own" in caplog.text
