"""A forked child ships its own lines and none of its parent's; the tests run programs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.shipping.fake_collector import FakeCollector

BEGIN = """
import os, signal, sys, threading, warnings
from nodelog import Shipper
warnings.simplefilter("ignore", DeprecationWarning)  # of fork where there are threads
port, path = int(sys.argv[1]), sys.argv[2] or None
shipper = Shipper("127.0.0.1", port, spool=path, tell=lambda text: print(text, flush=True))

def fork(work):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid

def assert_success(pid):
    assert os.waitpid(pid, 0)[1] == 0
"""


def run(program: str, collector: FakeCollector, spool: Path | None = None) -> list[str]:
    """Run a program that must succeed; return its messages."""
    command = [sys.executable, "-c", BEGIN + program, str(collector.port), str(spool or "")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.fixture(params=["memory", "file"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "spool" if request.param == "file" else None


def lines_of(collector: FakeCollector, name: str) -> list[bytes]:
    return [line for line in collector.lines if line.startswith(name.encode())]


def test_parent_and_children_ship_their_own_lines_once(collector: FakeCollector, spool: Path | None) -> None:
    program = """
shipper.send("parent 0")
def work():
    for number in range(100):
        shipper.send(f"child{os.getpid()} {number}")
    assert shipper.close(20) == 0
children = [fork(work) for _ in range(3)]
for number in range(1, 100):
    shipper.send(f"parent {number}")
for child in children:
    assert_success(child)
assert shipper.close(20) == 0
"""
    assert run(program, collector, spool) == []
    lines = collector.lines
    assert len(lines) == len(set(lines)) == 400
    assert lines_of(collector, "parent") == [b"parent %d" % number for number in range(100)]
    if spool:
        assert not [path for path in spool.parent.iterdir() if "child" in path.name]


def test_waiting_lines_are_sent_by_the_parent_alone(collector: FakeCollector, spool: Path | None) -> None:
    program = """
shipper.send("first")
shipper.flush()
shipper.send("waits")
def work():
    shipper.send("child")
    assert shipper.close(20) == 0
assert_success(fork(work))
assert shipper.close(20) == 0
"""
    run(program, collector, spool)
    assert sorted(collector.lines) == [b"child", b"first", b"waits"]


def test_a_child_that_sends_nothing_costs_nothing(collector: FakeCollector, tmp_path: Path) -> None:
    program = """
shipper.send("parent")
shipper.flush()
def work():
    assert shipper.stats.sent == 0
    assert threading.active_count() == 1
    assert shipper.flush(0) == 0
    assert shipper.close(0) == 0
assert_success(fork(work))
assert shipper.close(20) == 0
"""
    run(program, collector, tmp_path / "spool")
    assert collector.opened == 1
    assert {path.name for path in tmp_path.iterdir()} == {"spool", "spool.lock"}


def test_the_next_run_sends_what_a_killed_child_left(collector: FakeCollector, tmp_path: Path) -> None:
    program = """
def work():
    shipper.send("child")
    assert shipper.keep(20) == 0
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(fork(work), 0)
shipper.close(0)
"""
    collector.crash()
    run(program, collector, tmp_path / "spool")
    with collector:
        run("assert shipper.flush(20) == 0; shipper.close()", collector, tmp_path / "spool")
        assert collector.lines == [b"child"]
    assert {path.name for path in tmp_path.iterdir()} == {"spool", "spool.lock"}


def test_a_child_that_outlives_its_parent_does_not_hold_the_spool(
    collector: FakeCollector, tmp_path: Path
) -> None:
    program = """
shipper.send("parent")
shipper.flush()
def work():
    print("here", flush=True)
    sys.stdin.read()
fork(work)
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", BEGIN + program, str(collector.port), str(tmp_path / "spool")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.wait(PATIENCE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        FileSpool(tmp_path / "spool").close()


def test_a_grandchild_is_a_child_too(collector: FakeCollector, spool: Path | None) -> None:
    program = """
def work(depth=1):
    shipper.send(f"depth {depth}")
    if depth < 3:
        assert_success(fork(lambda: work(depth + 1)))
    assert shipper.close(20) == 0
assert_success(fork(work))
shipper.send("depth 0")
assert shipper.close(20) == 0
"""
    run(program, collector, spool)
    assert sorted(collector.lines) == [b"depth %d" % depth for depth in range(4)]


def test_a_child_that_cannot_create_its_file_keeps_lines_in_memory_and_reports_it(
    collector: FakeCollector, tmp_path: Path
) -> None:
    program = """
def work():
    os.mkdir(f"{path}.child-{os.getpid()}")
    shipper.send("child")
    assert shipper.close(20) == 0
assert_success(fork(work))
assert shipper.close(20) == 0
"""
    message, reported_by_parent = run(program, collector, tmp_path / "spool")
    assert reported_by_parent.endswith("the file stays, its lines are not taken over")
    assert message.endswith("Is a directory; choose another; in this forked process lines wait in memory")
    assert collector.lines[0] == b"child"


def test_a_closed_shipper_is_closed_in_a_child(collector: FakeCollector) -> None:
    program = """
shipper.close()
def work():
    try:
        shipper.send("child")
    except ValueError:
        return
    raise AssertionError
assert_success(fork(work))
"""
    run(program, collector)
    assert not collector.lines


def test_a_signal_handler_may_send_while_the_first_line_of_a_child_starts_its_thread(
    collector: FakeCollector, tmp_path: Path
) -> None:
    program = """
from nodelog.shipping.process import fork_hooks as module
signal.signal(signal.SIGUSR1, lambda *_: shipper.send("handler"))
open_spool = module.open_spool
def open_slowly(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGUSR1)
    return open_spool(*args, **kwargs)
def work():
    module.open_spool = open_slowly
    signal.alarm(20)
    shipper.send("child")
    assert shipper.close(20) == 0
assert_success(fork(work))
assert shipper.close(20) == 0
"""
    assert run(program, collector, tmp_path / "spool") == []
    assert sorted(collector.lines) == [b"child", b"handler"]


def test_a_child_of_a_spool_with_one_file_per_process_has_its_own(
    collector: FakeCollector, tmp_path: Path
) -> None:
    program = """
def work():
    shipper.send("child")
    shipper.keep(20)
    assert shipper.close(20) == 0
shipper.send("parent")
assert_success(fork(work))
assert shipper.close(20) == 0
"""
    assert run(program, collector, tmp_path / "app-{pid}.spool") == []
    assert sorted(collector.lines) == [b"child", b"parent"]
    assert not list(tmp_path.iterdir())
