"""What stands in for the thread where none can start."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST, unacknowledged
from tests.waiting import PATIENCE

from nodelog import Shipper
from nodelog.shipping.process import shipping_thread

if TYPE_CHECKING:
    from pathlib import Path


def no_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.fixture(params=[None, "spool"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / request.param if request.param else None


def test_without_a_thread_flush_and_close_send_the_lines(
    collector: FakeCollector, spool: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping_thread, "start_thread", no_thread)
    messages: list[str] = []
    shipper = Shipper(HOST, collector.port, spool=spool, tell=messages.append)
    shipper.send("a")
    assert shipper.flush(PATIENCE) == 0
    shipper.send("b")
    assert shipper.close(PATIENCE) == 0
    assert collector.lines == [b"a", b"b"]
    (message,) = messages
    assert message.startswith("cannot start a thread: can't start new thread; lines are sent only when")


def test_a_thread_is_tried_again_with_each_line(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shipping_thread, "start_thread", no_thread)
        shipper = Shipper(HOST, collector.port, tell=lambda _: None)
        shipper.send("a")
    shipper.send("b")
    assert collector.wait_for_lines(2) == [b"a", b"b"]
    shipper.close(PATIENCE)


def test_without_a_thread_and_a_collector_close_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping_thread, "start_thread", no_thread)
    messages: list[str] = []
    shipper = Shipper(HOST, 1, tell=messages.append)
    shipper.send("a")
    assert shipper.close(0.01) == 1
    assert messages[-1] == unacknowledged(1, None)


AT_EXIT = """
import atexit, logging, os, sys, threading
from nodelog import NodeLogHandler
handler = NodeLogHandler("127.0.0.1", int(sys.argv[1]), exit_timeout=float(sys.argv[2]))
logging.basicConfig(handlers=[handler], level="INFO", format="%(message)s")
count = 0
def work():
    global count
    while True:
        logging.info("tick")
        count += 1
        threading.Event().wait(0.01)
threading.Thread(target=work, daemon=True).start()
while count < 5:
    threading.Event().wait(0.01)
"""


def run(program: str, port: int, timeout: float) -> list[str]:
    command = [sys.executable, "-W", "ignore", "-c", program, str(port), str(timeout)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stderr.splitlines()


def test_a_thread_that_logs_until_the_end_costs_one_line() -> None:
    refused = FakeCollector().start()
    refused.crash()
    lines = run(AT_EXIT, refused.port, 0.2)
    losses = [line for line in lines if "are not acknowledged; they were in memory and are lost" in line]
    assert len(losses) == 1
    assert int(losses[0].split()[1]) >= 10  # those that came while it waited are among them
    assert not [line for line in lines if not line.startswith("nodelog: ")]


def test_a_thread_that_logs_until_the_end_loses_nothing_that_was_accepted(collector: FakeCollector) -> None:
    lines = run(AT_EXIT, collector.port, PATIENCE)
    assert len(collector.lines) >= 5
    assert all("came after the end of the log" in line for line in lines)


def test_a_child_whose_first_line_comes_at_its_end_delivers_it(collector: FakeCollector) -> None:
    program = AT_EXIT.split("count = 0", maxsplit=1)[0] + (
        'pid = os.fork()\nif not pid: atexit.register(logging.info, "bye"); sys.exit()\nos.waitpid(pid, 0)\n'
    )
    assert run(program, collector.port, PATIENCE) == []
    assert collector.lines == [b"bye"]
