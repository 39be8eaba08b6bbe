import sys
from pathlib import Path

import pytest
from tests.agent.home import Home, executes
from tests.waiting import until

from nodeagent.supervision.children import Family

STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").close()
while True:
    signal.pause()
"""


async def test_a_child_that_does_not_end_is_named_and_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ready = tmp_path / "ready"
    stubborn, good = Home(sys.executable, "-c", STUBBORN, str(ready)), Home("sleep", "1000")
    family = Family([stubborn.child, good.child])
    async with family.living(0.2):
        await until(lambda: ready.exists() and executes(good, "sleep"))
        process = stubborn.process
    assert not family.ended_well
    (said,) = [record.getMessage() for record in caplog.records if "did not end" in record.getMessage()]
    assert said.startswith(f"it (process {process}) did not end within the grace of 0.2 s and is killed")
    assert stubborn.process is None


async def test_a_hangup_reaches_the_children(tmp_path: Path) -> None:
    path = tmp_path / "heard"
    script = f"trap 'touch {path}' HUP; touch {path}.ready; while :; do sleep 0.05; done"
    home = Home("sh", "-c", script)
    family = Family([home.child])
    async with family.living(30):
        # It may be ready before the agent has noted which process it is.
        await until(lambda: path.with_suffix(".ready").exists() and home.process is not None)
        family.hang_up()
        await until(path.exists)


async def test_a_fault_in_a_life_ends_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home("sleep", "1000")

    async def faulty(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(home.child, "keep", faulty)
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        async with Family([home.child]).living(30):
            await until(lambda: False)


async def test_children_are_shown() -> None:
    home = Home("sleep", "1000")
    family = Family([home.child])
    async with family.living(30):
        await until(lambda: executes(home, "sleep"))
        assert family.status() == {"it": {"process": home.process, "ends": 0}}
    assert family.status() == {"it": {"process": None, "ends": 0}}
