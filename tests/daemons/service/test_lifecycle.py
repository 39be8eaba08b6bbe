"""Signals, with real processes; the loop and the limit of open files."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest
import uvloop
from tests.running import PATIENCE

from nodelogd.service.lifecycle import raise_file_limit, run, signals

DAEMON = """
import asyncio, sys, time
import uvloop
from nodelogd import logs
from nodelogd.service.lifecycle import signals

def say(what):
    print(what, flush=True)

async def main():
    logs.setup("logd", "info")
    with signals(lambda: say("hangup")) as stop:
        say("up")
        BODY
    say("down")

with asyncio.Runner(loop_factory=FACTORY) as runner:
    runner.run(main())
"""

WAITS = "await stop.wait()"
ENDS_SLOWLY = "await stop.wait(); say('ending'); await asyncio.sleep(60)"
ENDS_STALLED = "await stop.wait(); say('ending'); time.sleep(60)"
ENDS_BUSY = "await stop.wait(); say('ending')\n        while True: pass"
STALLED = "time.sleep(60)"

Daemon = subprocess.Popen[str]
Start = Callable[[str], Daemon]


@pytest.fixture(params=["asyncio.new_event_loop", "uvloop.new_event_loop"])
def start(request: pytest.FixtureRequest) -> Generator[Start]:
    with ExitStack() as stack:

        def started(body: str) -> Daemon:
            code = DAEMON.replace("BODY", body).replace("FACTORY", request.param)
            command = [sys.executable, "-c", code]
            process = stack.enter_context(
                subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            )
            stack.callback(process.kill)
            assert heard(process) == "up"
            return process

        yield started


def heard(process: Daemon) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event(start: Start, number: signal.Signals) -> None:
    process = start(WAITS)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err, process.returncode) == ("down\n", "", 0)


@pytest.mark.parametrize("body", [ENDS_SLOWLY, ENDS_STALLED, ENDS_BUSY])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_exits_at_once(start: Start, body: str, number: signal.Signals) -> None:
    process = start(body)
    process.send_signal(signal.SIGTERM)
    assert heard(process) == "ending"
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)  # less than it takes to end
    assert (out, process.returncode) == ("", 128 + number)
    assert len(err.splitlines()) == 1
    assert f"{number.name} while ending: exiting at once" in err


def test_two_signals_end_a_loop_that_never_turned(start: Start) -> None:
    process = start(STALLED)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)  # another one: two of the same at once may count as one
    assert process.wait(timeout=PATIENCE) in {128 + signal.SIGTERM, 128 + signal.SIGINT}


def test_hangup_calls_back_each_time_and_ends_nothing(start: Start) -> None:
    process = start(WAITS)
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        assert heard(process) == "hangup"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=PATIENCE)[0] == "down\n"


async def test_handlers_are_as_before_at_the_end() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with signals(lambda: None) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), timeout=PATIENCE)
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_daemon_runs_on_uvloop_and_gives_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # `run` leaves one that ends us, too

    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert run(main) is uvloop.Loop


@pytest.fixture
def limits() -> Generator[tuple[int, int]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield soft, hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_soft_limit_of_open_files_becomes_the_hard_one(limits: tuple[int, int]) -> None:
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert raise_file_limit(257) == 257
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_hard_limit_that_is_too_low_is_what_there_is(limits: tuple[int, int]) -> None:
    assert raise_file_limit(1 << 40) == limits[1]


def test_a_limit_that_cannot_be_raised_is_what_there_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_file_limit(1 << 40) == soft
    assert "cannot raise the limit of open files" in caplog.text


FAULTY = """
import asyncio, threading, time
from nodelogd import logs
from nodelogd.service.lifecycle import run

def fail():
    raise ZeroDivisionError("on purpose")

async def main():
    logs.setup("logd", "info")
    WHERE
    await asyncio.sleep(60)

run(main)
"""


@pytest.mark.parametrize(
    "where",
    ["threading.Thread(target=fail, name='write').start()", "asyncio.get_running_loop().call_soon(fail)"],
)
def test_a_fault_of_the_program_ends_it_instead_of_leaving_it_half_alive(where: str) -> None:
    command = [sys.executable, "-c", FAULTY.replace("WHERE", where)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == os.EX_SOFTWARE
    assert "on purpose" in ended.stderr
