import asyncio

import pytest
from tests.waiting import until

from nodeagent.checks.check_schedule import Rhythm, looking, period
from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics


class Scripted:
    """An eye that sees what it is told to, and then the same for ever."""

    name = "scripted"

    def __init__(self, *sights: bool | Exception) -> None:
        self._sights = list(sights)
        self.times: list[float] = []

    async def look(self) -> bool:
        """Give the next one."""
        self.times.append(asyncio.get_running_loop().time())
        sight = self._sights.pop(0) if len(self._sights) > 1 else self._sights[0]
        if isinstance(sight, Exception):
            raise sight
        return sight

    def status(self) -> dict[str, object]:
        """Give nothing."""
        return {}

    async def looked(self, times: int) -> None:
        """Return once it has looked as often."""
        await until(lambda: len(self.times) >= times)


def test_while_something_is_wrong_it_is_looked_more_often() -> None:
    assert period(15, is_well=True) == 15
    assert period(15, is_well=False) == 1


async def test_it_is_looked_again_and_again() -> None:
    eye = Scripted(False, True)
    async with looking([Rhythm(eye, 0.01)], Metrics(), Findings(Metrics())):
        await eye.looked(4)


async def test_readiness_waits_for_the_first_look() -> None:
    findings, eye = Findings(Metrics()), Scripted(True)
    async with looking([Rhythm(eye, 60)], Metrics(), findings, delay=0.05):
        await asyncio.sleep(0)
        assert findings.reasons() == {"first scripted": "scripted: not looked at yet"}
        await eye.looked(1)
        assert findings.reasons() == {}


async def test_readiness_does_not_wait_for_what_takes_long() -> None:
    findings, eye = Findings(Metrics()), Scripted(True)
    async with looking([Rhythm(eye, 60, is_awaited=False)], Metrics(), findings, delay=60):
        await asyncio.sleep(0)
        assert findings.reasons() == {}


async def test_a_fault_in_an_eye_is_logged_and_the_eye_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    metrics, eye = Metrics(), Scripted(ZeroDivisionError(), True)
    async with looking([Rhythm(eye, 0.01)], metrics, Findings(metrics)):
        await eye.looked(2)
    assert metrics.registry.get_sample_value("nodelog_agent_faults_total", {"eye": "scripted"}) == 1
    assert "a fault in looking at scripted" in caplog.text
