"""A real `nodeagent` with real daemons."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.numbered_lines import sealed_files
from tests.ports import free_ports
from tests.processes.daemon import Daemon
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

NODEAGENT = Path(sys.executable).parent / "nodeagent"


class Agent(Daemon):
    """One `nodeagent run` with both daemons in a folder of its own."""

    def __init__(self, folder: Path, options: Sequence[str], program: Sequence[str]) -> None:
        """Start it and wait until it serves its pages."""
        self.log = folder / "node_log"
        self.archives = folder / "log"
        self.archives.mkdir(exist_ok=True)
        self._options = options
        self._program = program
        self.port, logd, logcd, self.tail_port = islice(free_ports(), 4)
        (folder / "token").write_text("s3cret")
        (folder / "nodelog.toml").write_text(
            f'[logd]\nlog = "{self.log}"\nlisten = "127.0.0.1:{self.port}"\nhttp = "127.0.0.1:{logd}"\n'
            f'keep-free = "off"\n[logcd]\ndir = "{self.archives}"\nhttp = "127.0.0.1:{logcd}"\n'
            f'every = "200ms"\nkeep-free = "off"\n[nodeagent]\ntail = "127.0.0.1:{self.tail_port}"\n'
            f'tail-token = "{folder / "token"}"\nlook-every = "500ms"\ncanary-every = "500ms"\n'
        )
        self._config = folder / "nodelog.toml"
        ours = ("LOGD_", "LOGCD_", "NODEAGENT_", "HOST_IP")
        super().__init__({name: value for name, value in os.environ.items() if not name.startswith(ours)})

    def command(self) -> list[str]:
        """Return its command line."""
        options = (f"--config={self._config}", f"--http=127.0.0.1:{self.http_port}")
        return [*self._program, "run", *options, *self._options]

    def note_ports(self, record: dict[str, Any]) -> None:
        """Take the ports from the agent's own records; it also relays those of its children."""
        if record["logger"].startswith("nodeagent"):
            super().note_ports(record)

    def status(self) -> dict[str, Any]:
        """Return its `/status`."""
        return self.get_json("/status")[1]

    def child(self, name: str) -> int:
        """Return the process ID of a child once it runs."""
        wait_for(lambda: self.status()["children"][name]["process"])
        return int(self.status()["children"][name]["process"])

    def send(self, data: bytes) -> None:
        """Send lines and wait until logd has read them."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""


@pytest.fixture
def agent(tmp_path: Path) -> Generator[Callable[..., Agent]]:
    """Start nodeagent; kill it after the test if it still runs, and its children with it."""
    with ExitStack() as stack:

        def start(*options: str, program: Sequence[str] = (str(NODEAGENT),)) -> Agent:
            started = Agent(tmp_path, options, program)
            stack.callback(started.close)
            started.wait_ready()
            return started

        yield start


def is_running(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_killed_daemon_is_restarted_and_the_agent_reports_it(agent: Callable[..., Agent]) -> None:
    node = agent()
    (node.archives / "a.log").write_text("line\n")
    for name in ("logd", "logcd"):
        before = node.child(name)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda name=name: node.metric("nodelog_agent_child_ends_total", child=name) == 1)  # type: ignore[misc]
        code, page = node.readyz()
        assert (code, f"child {name}" in page["reasons"]) in {(503, True), (200, False)}
        assert node.child(name) != before
        node.wait_ready()
    node.send(b"hello\n")
    wait_for(lambda: node.log.read_text() == "hello\n")
    wait_for(lambda: list(node.archives.glob("all-logs-*.tar.gz")))
    assert node.stop() == 0
    assert node.records("logd was killed by SIGKILL")


def test_children_end_with_the_agent_and_lose_nothing(agent: Callable[..., Agent]) -> None:
    node = agent()
    children = [node.child("logd"), node.child("logcd")]
    node.send(b"one\n")
    assert node.stop() == 0
    assert not any(map(is_running, children))
    node.restart()
    children = [node.child("logd"), node.child("logcd")]
    node.kill()
    wait_for(lambda: not any(map(is_running, children)), "the children have ended")
    node.restart()
    node.send(b"two\n")
    wait_for(lambda: node.log.read_text() == "one\ntwo\n")


def test_a_child_that_hangs_is_named_and_does_not_hold_up_the_agent(agent: Callable[..., Agent]) -> None:
    node = agent("--grace=1s")
    stopped = node.child("logcd")
    os.kill(stopped, signal.SIGSTOP)
    assert node.stop() == 1
    assert node.records(f"logcd (process {stopped}) did not end within the grace of 1 s and is killed")
    assert not is_running(stopped)


SHORT_TIMEOUTS = """
from aiohttp import ClientTimeout
from nodeagent import cli
from nodeagent.checks import collector_probe, daemon_status
collector_probe.TIMEOUT, daemon_status.TIMEOUT = 2.0, ClientTimeout(total=2.0)
cli.main()
"""
"""An agent that waits 2 s for an answer."""


def test_a_collector_that_hangs_is_reported(agent: Callable[..., Agent]) -> None:
    node = agent(program=(sys.executable, "-c", SHORT_TIMEOUTS))
    child = node.child("logd")
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: "logd" in node.readyz()[1]["reasons"], "the daemon that does not answer is a reason")
    wait_for(lambda: "canary" in node.readyz()[1]["reasons"], "the unanswered probe is a reason")
    os.kill(child, signal.SIGCONT)
    node.wait_ready()


def test_sighup_seals_the_log_and_the_tail_continues(agent: Callable[..., Agent]) -> None:
    node = agent()
    node.send(b"one\n")
    with socket.create_connection(("127.0.0.1", node.tail_port), timeout=30) as reader:
        reader.sendall(b"GET /tail?lines=5 HTTP/1.0\r\nAuthorization: Bearer s3cret\r\n\r\n")
        seen = b""
        while b'["one"]' not in seen:
            seen += reader.recv(65536)
        for number, line in enumerate((b"two", b"three"), 1):
            node.signal(signal.SIGHUP)
            wait_for(lambda number=number: len(sealed_files(node.log)) == number)  # type: ignore[misc]
            node.send(line + b"\n")
            # An empty log is not sealed. The tail need not have seen the line before the next SIGHUP.
            wait_for(lambda line=line: node.log.exists() and node.log.read_bytes() == line + b"\n")  # type: ignore[misc]
        while b'["three"]' not in seen:
            seen += reader.recv(65536)
    assert re.findall(rb"data: (.*)\n", seen) == [b'["one"]', b'["two"]', b'["three"]']


def test_the_agent_needs_at_most_50_mib(agent: Callable[..., Agent]) -> None:
    node = agent("--look-every=100ms", "--canary-every=100ms", "--verify-every=1s")
    wait_for(lambda: node.metric("nodelog_agent_canary_probes_total", result="ok") > 20)
    assert node.rss() <= 50 * 1024**2


def test_nodelog_tail_and_the_agent_agree_on_the_token(agent: Callable[..., Agent], tmp_path: Path) -> None:
    node = agent()
    node.send(b"a line\n")
    tail = (NODEAGENT.with_name("nodelog"), "tail", f"--agent=127.0.0.1:{node.tail_port}")
    with subprocess.Popen([*tail, f"--token-file={tmp_path / 'token'}"], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"a line\n"
        reader.terminate()
    (tmp_path / "other").write_text("another")
    run = subprocess.run([*tail, f"--token-file={tmp_path / 'other'}"], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"does not have the token" in run.stderr


def test_a_child_that_is_stopped_is_killed_and_started_again(agent: Callable[..., Agent]) -> None:
    node = agent("--hang-limit=1s", "--grace=1s")
    first = node.child("logcd")
    wait_for(lambda: node.get_json("/readyz")[0] == 200)
    os.kill(first, signal.SIGSTOP)
    wait_for(lambda: node.status()["children"]["logcd"]["process"] not in (None, first))
    assert node.status()["children"]["logcd"]["ends"] == 1
