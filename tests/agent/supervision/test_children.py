import sys
from pathlib import Path

import pytest
from tests.agent.supervised_child import SupervisedChild, executes
from tests.waiting import until

from nodeagent.supervision.children import Children

IGNORES_SIGTERM = """
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
    stubborn = SupervisedChild(sys.executable, "-c", IGNORES_SIGTERM, str(ready))
    obedient = SupervisedChild("sleep", "1000")
    children = Children([stubborn.child, obedient.child])
    async with children.running(0.2):
        await until(lambda: ready.exists() and executes(obedient, "sleep"))
        process = stubborn.process
    assert not children.ended_well
    (message,) = [record.getMessage() for record in caplog.records if "did not end" in record.getMessage()]
    assert message.startswith(f"it (process {process}) did not end within the grace of 0.2 s and is killed")
    assert stubborn.process is None


async def test_sighup_is_forwarded_to_the_children(tmp_path: Path) -> None:
    path = tmp_path / "received"
    script = f"trap 'touch {path}' HUP; touch {path}.ready; while :; do sleep 0.05; done"
    supervised = SupervisedChild("sh", "-c", script)
    children = Children([supervised.child])
    async with children.running(30):
        # It may be ready before the agent has recorded its process.
        await until(lambda: path.with_suffix(".ready").exists() and supervised.process is not None)
        children.forward_sighup()
        await until(path.exists)


async def test_a_fault_in_supervision_ends_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    supervised = SupervisedChild("sleep", "1000")

    async def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(supervised.child, "supervise", fail)
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        async with Children([supervised.child]).running(30):
            await until(lambda: False)


async def test_the_status_shows_each_child() -> None:
    supervised = SupervisedChild("sleep", "1000")
    children = Children([supervised.child])
    async with children.running(30):
        await until(lambda: executes(supervised, "sleep"))
        assert children.status() == {"it": {"process": supervised.process, "ends": 0}}
    assert children.status() == {"it": {"process": None, "ends": 0}}
