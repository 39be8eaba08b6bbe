import os
import signal
import sys
from pathlib import Path

import pytest
from tests.agent.fake_peer import fake_peer, never_answer
from tests.agent.supervised_child import SupervisedChild, executes
from tests.waiting import until

from nodeagent.supervision.child_process import describe_exit
from nodeagent.supervision.children import Children
from nodeagent.supervision.liveness import Liveness


async def test_a_child_that_is_killed_is_started_again() -> None:
    supervised = SupervisedChild("sleep", "1000")
    async with Children([supervised.child]).running(30):
        await until(lambda: executes(supervised, "sleep"))
        first = supervised.process
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(supervised.problems.reasons)
        reason = supervised.problems.reasons()["child it"]
        assert reason.startswith("it was killed by SIGKILL after ")
        assert reason.endswith("; starting it again in 1 s")
        await until(lambda: supervised.process not in (None, first))
        assert supervised.problems.reasons() == {}
        assert supervised.ends == 1


async def test_a_child_that_ends_at_once_is_not_restarted_in_a_busy_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervised = SupervisedChild("false")
    async with Children([supervised.child]).running(30):
        await until(lambda: supervised.ends == 2)
    restarts = [record.getMessage() for record in caplog.records if "again" in record.getMessage()]
    assert [line.rpartition(" in ")[2] for line in restarts] == ["1 s", "2 s"]


async def test_a_child_that_sigterm_kills_has_not_ended_well() -> None:
    supervised = SupervisedChild(sys.executable, "-c", "import signal, sys\nsignal.sigwait([signal.SIGTERM])")
    children = Children([supervised.child])
    async with children.running(30):
        await until(lambda: executes(supervised, "python") or executes(supervised, "python3"))
    assert not children.ended_well  # sigwait does not catch a signal that is not blocked
    assert supervised.process is None
    assert supervised.ends == 0


async def test_a_child_that_hangs_is_killed_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    async with fake_peer(never_answer) as port:
        liveness = Liveness(f"http://127.0.0.1:{port}", 0.3)
        supervised = SupervisedChild("sleep", "1000", liveness=liveness)
        children = Children([supervised.child])
        async with children.running(0.2):
            await until(lambda: executes(supervised, "sleep"))
            first = supervised.process
            assert first is not None
            os.kill(first, signal.SIGSTOP)  # so it does not react to SIGTERM either
            await until(lambda: supervised.process not in (None, first))
            assert supervised.ends == 1
    assert not Path(f"/proc/{first}").exists()
    said = [record.getMessage() for record in caplog.records]
    hung = f"it (process {first}) has not answered at http://127.0.0.1:{port}/healthz for "
    assert any(line.startswith(hung) and line.endswith("started again") for line in said)


async def test_a_stop_during_a_pause_takes_effect_at_once() -> None:
    supervised = SupervisedChild("false")
    children = Children([supervised.child])
    async with children.running(30):
        await until(lambda: supervised.ends == 1)
    assert children.ended_well


async def test_starting_a_child_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    supervised = SupervisedChild("sleep", "1000")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/no/such")
        async with Children([supervised.child]).running(30):
            await until(lambda: supervised.ends == 1)
            reason = supervised.problems.reasons()["child it"]
            patched.undo()
            await until(lambda: executes(supervised, "sleep"))
    assert reason == "it cannot be started: No such file or directory; starting it again in 1 s"


async def test_the_last_output_of_a_child_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    supervised = SupervisedChild("sh", "-c", "echo last words >&2; exit 3")
    async with Children([supervised.child]).running(30):
        await until(lambda: supervised.ends == 1)
    messages = [record.getMessage() for record in caplog.records]
    assert "it: last words" in messages
    assert any(message.startswith("it ended with exit code 3 after ") for message in messages)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, "ended with exit code 0"),
        (-9, "was killed by SIGKILL"),
        (-40, "was killed by signal 40"),  # a real-time signal, which has no name
        (70, "ended with exit code 70"),
    ],
)
def test_an_exit_is_described(code: int, expected: str) -> None:
    assert describe_exit(code) == expected
