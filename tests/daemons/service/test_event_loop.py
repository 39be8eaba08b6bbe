"""The loop is uvloop, and a fault of the program ends the process."""

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
def test_a_fault_of_the_program_ends_it_instead_of_leaving_it_half_alive(where: str) -> None:
    command = [sys.executable, "-c", FAULTY.replace("WHERE", where)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == os.EX_SOFTWARE
    assert "on purpose" in ended.stderr


def test_a_daemon_runs_on_uvloop_and_gives_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # `run` leaves one that ends us, too

    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert run(main) is uvloop.Loop
