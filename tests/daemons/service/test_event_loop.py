"""Daemons run on uvloop, and an uncaught exception ends the process."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest
import uvloop
from tests.waiting import PATIENCE

from nodelogd.service.event_loop import run

FAULTY = """
import asyncio, threading, time
from nodelogd.service import logging_setup
from nodelogd.service.event_loop import run

def fail():
    raise ZeroDivisionError("on purpose")

async def main():
    logging_setup.setup("logd", "info")
    WHERE
    await asyncio.sleep(60)

run(main)
"""


@pytest.mark.parametrize(
    "where",
    ["threading.Thread(target=fail, name='write').start()", "asyncio.get_running_loop().call_soon(fail)"],
)
def test_an_uncaught_exception_in_a_thread_or_callback_ends_the_process(where: str) -> None:
    command = [sys.executable, "-c", FAULTY.replace("WHERE", where)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == os.EX_SOFTWARE
    assert "on purpose" in ended.stderr


def test_a_daemon_runs_on_uvloop_and_its_result_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    # Restored afterwards: the hook that `run` sets would end the tests too.
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert run(main) is uvloop.Loop
