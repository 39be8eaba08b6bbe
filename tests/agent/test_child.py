import os
import signal
import sys
from pathlib import Path

import pytest
from tests.until import until

from nodeagent.child import Child, leashed, told
from nodeagent.findings import Findings
from nodeagent.metrics import Metrics
from nodeagent.supervision import Family

STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").close()
while True:
    signal.pause()
"""


class Home:
    """A child of this test, and what is known of it."""

    def __init__(self, *command: str) -> None:
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        self.child = Child("it", command, self.metrics, self.findings)

    @property
    def ends(self) -> float | None:
        """How often it ended unasked."""
        return self.metrics.registry.get_sample_value("nodelog_agent_child_ends_total", {"child": "it"})

    @property
    def process(self) -> int | None:
        """Its number, if it runs."""
        found = self.child.status()["process"]
        assert found is None or isinstance(found, int)
        return found


def executes(home: Home, name: str) -> bool:
    """Tell whether the leash has become the program."""
    try:
        return f"({name})" in Path(f"/proc/{home.process}/stat").read_text()
    except OSError:
        return False


async def test_a_child_that_is_killed_is_started_again() -> None:
    home = Home("sleep", "1000")
    async with Family([home.child]).living(30):
        await until(lambda: executes(home, "sleep"))
        first = home.process
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(home.findings.reasons)
        reason = home.findings.reasons()["child it"]
        assert reason.startswith("it was killed by SIGKILL after ")
        assert reason.endswith("; starting it again in 1 s")
        await until(lambda: home.process not in (None, first))
        assert home.findings.reasons() == {}
        assert home.ends == 1


async def test_a_child_that_ends_at_once_is_not_started_in_a_busy_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = Home("false")
    async with Family([home.child]).living(30):
        await until(lambda: home.ends == 2)
    said = [record.getMessage() for record in caplog.records if "again" in record.getMessage()]
    assert [line.rpartition(" in ")[2] for line in said] == ["1 s", "2 s"]


async def test_a_child_that_ends_when_it_is_asked_has_ended_well() -> None:
    home = Home(sys.executable, "-c", "import signal, sys\nsignal.sigwait([signal.SIGTERM])")
    family = Family([home.child])
    async with family.living(30):
        await until(lambda: executes(home, "python") or executes(home, "python3"))
    assert not family.ended_well  # SIGTERM itself ended it: nobody had blocked the signal
    assert home.process is None
    assert home.ends == 0


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


async def test_a_stop_during_a_pause_is_heard_at_once() -> None:
    home = Home("false")
    family = Family([home.child])
    async with family.living(30):
        await until(lambda: home.ends == 1)
    assert family.ended_well


async def test_a_hangup_reaches_the_children(tmp_path: Path) -> None:
    path = tmp_path / "heard"
    script = f"trap 'touch {path}' HUP; touch {path}.ready; while :; do sleep 0.05; done"
    home = Home("sh", "-c", script)
    family = Family([home.child])
    async with family.living(30):
        await until(lambda: path.with_suffix(".ready").exists())
        family.hang_up()
        await until(path.exists)


async def test_what_a_child_says_at_its_end_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    home = Home("sh", "-c", "echo last words >&2; exit 3")
    async with Family([home.child]).living(30):
        await until(lambda: home.ends == 1)
    messages = [record.getMessage() for record in caplog.records]
    assert "it: last words" in messages
    assert any(message.startswith("it ended with exit code 3 after ") for message in messages)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, "ended with exit code 0"), (-9, "was killed by SIGKILL"), (70, "ended with exit code 70")],
)
def test_an_end_is_told_in_words(code: int, expected: str) -> None:
    assert told(code) == expected


def test_the_command_of_a_child_begins_with_its_leash() -> None:
    command = leashed(["logd", "--stamp"], nice=5)
    assert command[0] == sys.executable
    assert command[-4:] == [str(os.getpid()), "5", "logd", "--stamp"]
