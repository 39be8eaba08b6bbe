"""Signals to real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack

import pytest
from tests.waiting import PATIENCE

from nodelogd.service.signals import handling_signals

DAEMON = """
import asyncio, sys, time
import uvloop
from nodelogd.service import logging_setup
from nodelogd.service.signals import handling_signals

def say(what):
    print(what, flush=True)

async def main():
    logging_setup.setup("logd", "info")
    with handling_signals(lambda: say("hangup")) as stop:
        say("up")
        BODY
    say("down")

with asyncio.Runner(loop_factory=FACTORY) as runner:
    runner.run(main())
"""

WAITS = "await stop.wait()"
ENDS_SLOWLY = "await stop.wait(); say('ending'); await asyncio.sleep(60)"
# In naps: a signal just before the system call of a sleep is handled after it.
ENDS_STALLED = "await stop.wait(); say('ending')\n        while True: time.sleep(0.1)"
ENDS_BUSY = "await stop.wait(); say('ending')\n        while True: pass"
STALLED = "while True: time.sleep(0.1)"

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
            assert read_line(process) == "up"
            return process

        yield started


def read_line(process: Daemon) -> str:
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
    assert read_line(process) == "ending"
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)  # less than the program would need to end
    assert (out, process.returncode) == ("", 128 + number)
    assert len(err.splitlines()) == 1
    assert f"{number.name} while ending: exiting at once" in err


def test_two_signals_end_a_loop_that_never_turns(start: Start) -> None:
    process = start(STALLED)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)  # a different one: two equal pending signals may be merged
    assert process.wait(timeout=PATIENCE) in {128 + signal.SIGTERM, 128 + signal.SIGINT}


def test_sighup_calls_back_each_time_and_does_not_stop_the_daemon(start: Start) -> None:
    process = start(WAITS)
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        assert read_line(process) == "hangup"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=PATIENCE)[0] == "down\n"


async def test_the_previous_handlers_are_restored() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with handling_signals(lambda: None) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), timeout=PATIENCE)
    assert [signal.getsignal(number) for number in numbers] == before
