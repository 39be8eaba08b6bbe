import os
import signal
import sys

import pytest
from tests.agent.home import Home, executes
from tests.waiting import until

from nodeagent.supervision.child_process import leashed, told
from nodeagent.supervision.children import Family


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


async def test_a_stop_during_a_pause_is_heard_at_once() -> None:
    home = Home("false")
    family = Family([home.child])
    async with family.living(30):
        await until(lambda: home.ends == 1)
    assert family.ended_well


async def test_a_child_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home("sleep", "1000")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/no/such")
        async with Family([home.child]).living(30):
            await until(lambda: home.ends == 1)
            reason = home.findings.reasons()["child it"]
            patched.undo()
            await until(lambda: executes(home, "sleep"))
    assert reason == "it cannot be started: No such file or directory; starting it again in 1 s"


async def test_what_a_child_says_at_its_end_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    home = Home("sh", "-c", "echo last words >&2; exit 3")
    async with Family([home.child]).living(30):
        await until(lambda: home.ends == 1)
    messages = [record.getMessage() for record in caplog.records]
    assert "it: last words" in messages
    assert any(message.startswith("it ended with exit code 3 after ") for message in messages)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, "ended with exit code 0"),
        (-9, "was killed by SIGKILL"),
        (-40, "was killed by signal 40"),  # of real time: it has no name
        (70, "ended with exit code 70"),
    ],
)
def test_an_end_is_told_in_words(code: int, expected: str) -> None:
    assert told(code) == expected


def test_the_command_of_a_child_begins_with_its_leash() -> None:
    command = leashed(["logd", "--stamp"], nice=5)
    assert command[0] == sys.executable
    assert command[-4:] == [str(os.getpid()), "5", "logd", "--stamp"]
