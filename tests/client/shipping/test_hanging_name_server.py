"""Programs whose collector is given by a name that is never looked up: nothing in them waits for that."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.client.shipping.shipper_harness import lines_of
from tests.waiting import PATIENCE

from nodelog import AsyncShipper, Shipper
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from tests.client.shipping.fake_collector import FakeCollector

HANGING = """
import os, signal, socket, sys, time
socket.getaddrinfo = lambda *_, **__: time.sleep(3600)
"""
KILLED = """
from nodelog import Shipper
shipper = Shipper("collector.example", 6666, spool=sys.argv[1])
for number in range(1000):
    shipper.send(f"line {number}")
print(shipper.keep(20), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
ENDING = """
import logging
from nodelog import NodeLogHandler
logging.basicConfig(handlers=[NodeLogHandler("collector.example", 6666, exit_timeout=0.2)], level="INFO")
logging.info("a")
logging.info("b")
"""


def run(script: str, *arguments: object) -> tuple[int, str, str]:
    """Run a program whose name server does not answer; return its exit code and its output."""
    command = [sys.executable, "-c", HANGING + script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


def test_lines_are_in_the_file_before_a_kill(tmp_path: Path) -> None:
    assert run(KILLED, tmp_path / "spool") == (-signal.SIGKILL, "0\n", "")
    spool = FileSpool(tmp_path / "spool")
    assert spool.lines == 1000
    spool.close()


def test_a_program_ends_and_says_that_it_was_the_name_server() -> None:
    code, out, err = run(ENDING)
    assert (code, out) == (0, "")
    text = "no connection to collector.example: the name server does not answer; still waiting;"
    assert err.splitlines() == [
        f"nodelog: {text} lines wait in memory",
        "nodelog: 2 lines are not acknowledged; they were in memory and are lost",
    ]


def test_lines_arrive_once_the_name_server_answers(
    collector: FakeCollector, name_server: threading.Event
) -> None:
    with Shipper("localhost", collector.port) as shipper:
        for line in lines_of("line", 100):
            shipper.send(line)
        assert shipper.flush(0.05) == 100
        name_server.set()
        assert shipper.flush(PATIENCE) == 0
    assert collector.lines == lines_of("line", 100)


async def test_the_event_loop_keeps_running(
    collector: FakeCollector, name_server: threading.Event, tmp_path: Path
) -> None:
    for spool in (None, tmp_path / "spool"):
        name_server.clear()
        async with AsyncShipper("localhost", collector.port, spool=spool) as shipper:
            await shipper.send(f"to {spool}")
            assert await shipper.keep(PATIENCE) == 0
            assert await shipper.flush(0.05) == 1
            await asyncio.sleep(0)
            name_server.set()
            assert await shipper.flush(PATIENCE) == 0
    assert collector.lines == [b"to None", f"to {tmp_path / 'spool'}".encode()]
