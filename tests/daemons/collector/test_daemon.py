"""A real logd process: where it listens, how many connections it serves, what it reports."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.processes.logd import LOGD
from tests.waiting import PATIENCE, wait_for

from nodelog import __version__
from nodelogd.collector.daemon import Collector
from nodelogd.collector.network.listener import ListeningSockets
from nodelogd.collector.settings import Settings
from nodelogd.collector.wiring import Wiring
from nodelogd.service.files.disk_budget import Budget
from nodelogd.service.listening_sockets import Address, listen_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.processes.logd import Logd, StartLogd

    from nodelogd.collector.store.log_store import LogStore


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run a logd that exits without a signal."""
    command = [str(LOGD), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def error_line(log: Path, *options: str) -> str:
    """Start a logd that cannot run; return the one line it logs."""
    done = run(f"--log={log}", "--listen=127.0.0.1:0", "--http=127.0.0.1:0", *options)
    lines = [line for line in done.stderr.splitlines() if "listening on" not in line]
    assert (done.returncode, done.stdout, len(lines)) == (1, "", 1)
    return lines[0]


def send_to(address: str, data: bytes) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def addresses(logd: Logd) -> list[str]:
    return list(logd.records("listening on")[-1]["listen"])


def test_it_listens_on_every_given_address_and_logs_them(logd: StartLogd) -> None:
    daemon = logd("--listen=127.0.0.2:0", "--listen=[::1]:0")
    first, second, third = addresses(daemon)
    assert first.startswith("127.0.0.1:")
    assert second.startswith("127.0.0.2:")
    assert third.startswith("[::1]:")
    for address in (first, second, third):
        send_to(address, f"to {address}\n".encode())
    assert daemon.stop() == 0
    assert daemon.text() == f"to {first}\nto {second}\nto {third}\n"


def test_without_a_host_it_listens_on_both_families(logd: StartLogd) -> None:
    daemon = logd("--listen=0", "--stamp")
    _, four, six = addresses(daemon)
    assert four.rpartition(":")[0] == "0.0.0.0"  # noqa: S104 (what it logs)
    assert six.rpartition(":")[0] == "[::]"
    port = four.rpartition(":")[2]
    assert six.rpartition(":")[2] == port
    send_to(f"127.0.0.1:{port}", b"four\n")
    send_to(f"[::1]:{port}", b"six\n")
    assert daemon.stop() == 0
    stamps = [line.split()[1].rpartition(":")[0] for line in daemon.text().splitlines()]
    assert stamps == ["127.0.0.1", "[::1]"]


@pytest.mark.parametrize("address", ["192.0.2.1:0", "[2001:db8::1]:0"])
def test_an_address_that_the_node_does_not_have_is_one_line(address: str, tmp_path: Path) -> None:
    message = error_line(tmp_path / "node_log", "--listen", address)
    assert f"{address.removesuffix(':0').strip('[]')} is not an address of this node" in message


@pytest.mark.parametrize("option", ["--listen", "--http"])
def test_a_port_that_is_taken_is_one_line(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = error_line(tmp_path / "node_log", f"{option}=127.0.0.1:{port}")
    assert f"port {port} on 127.0.0.1 is taken by another process" in message
    assert option in message


def test_a_missing_directory_is_one_line(tmp_path: Path) -> None:
    assert "cannot use" in error_line(tmp_path / "missing" / "node_log")


def test_a_wrong_value_is_one_line_and_exit_2() -> None:
    done = run("--linger=long")
    message = "logd: --linger: 'long' is not a time; allowed are 0s to 10m\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_connections_beyond_the_limit_wait_until_one_closes(logd: StartLogd) -> None:
    daemon = logd("--max-connections=10")
    with ExitStack() as stack:
        accepted = [stack.enter_context(daemon.connect()) for _ in range(10)]
        wait_for(lambda: daemon.metric("nodelog_connections") == 10, "ten are open")
        assert daemon.metric("nodelog_accept_waiting") == 0
        late = stack.enter_context(daemon.connect())
        late.sendall(b"late, but here\n")
        wait_for(lambda: daemon.metric("nodelog_accept_waiting") == 1, "one waits")
        assert daemon.metric("nodelog_connections") == 10
        assert daemon.text() == ""
        accepted[0].close()
        daemon.wait_for_text("late, but here\n")
        assert daemon.metric("nodelog_accept_waiting") == 0
    assert len(daemon.records("others wait")) == 1


def test_a_low_limit_of_open_files_is_raised_if_permitted(logd: StartLogd) -> None:
    daemon = logd("--max-connections=500", prefix=["prlimit", "--nofile=64:1000"])
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(daemon.connect())
        wait_for(lambda: daemon.metric("nodelog_connections") == 300, "all are open")
    assert daemon.records("limit of open files") == []


def test_a_limit_of_open_files_that_cannot_be_raised_lowers_the_connections(logd: StartLogd) -> None:
    daemon = logd(prefix=["prlimit", "--nofile=160:160"])
    message = "the limit of open files allows 32 connections, not the 10000"
    wait_for(lambda: daemon.records(message))
    (record,) = daemon.records(message)
    assert record["level"] == "warning"
    with ExitStack() as stack:
        clients = [stack.enter_context(daemon.connect()) for _ in range(200)]
        wait_for(lambda: daemon.metric("nodelog_accept_waiting") == 1, "the others wait")
        assert daemon.metric("nodelog_connections") == 32
        for number, client in enumerate(clients):
            client.sendall(b"%d\n" % number)
            client.close()
        wait_for(lambda: daemon.text().count("\n") == 200, "all lines are there")
    assert sorted(map(int, daemon.text().split())) == list(range(200))


def test_idle_connections_are_closed_and_others_stay_open(logd: StartLogd) -> None:
    daemon = logd("--idle-timeout=1s")
    with daemon.connect() as idle, daemon.connect() as active:
        idle.sendall(b"and then nothing\n")
        closed = False
        idle.settimeout(0.1)
        while not closed:
            active.sendall(b"still sending\n")
            try:
                closed = not idle.recv(1)
            except TimeoutError:
                continue
            except ConnectionResetError:
                closed = True
        active.sendall(b"still here\n")
        daemon.wait_for_text("still here\n")
    assert daemon.metric("nodelog_connections_closed_total", reason="idle") == 1


def test_the_status_page_describes_the_daemon(logd: StartLogd) -> None:
    daemon = logd()
    with daemon.connect() as client:
        client.sendall(b"unfinished")
        wait_for(lambda: daemon.metric("nodelog_received_bytes_total") == 10)
        status, shown = daemon.get_json("/status")
    assert status == 200
    assert shown.pop("uptime_seconds") >= 0
    expected = {"program": "logd", "version": __version__, "log": str(daemon.log), "connections": 1}
    expected |= {"held_bytes": 10, "buffer_bytes": 32 * 1024**2, "not_ready": {}}
    assert expected.items() <= shown.items()


def test_a_log_that_is_a_symbolic_link_is_followed(logd: StartLogd, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "lib").mkdir()
    link = tmp_path / "var" / "node_log"
    link.symlink_to(tmp_path / "lib" / "node_log")
    daemon = logd(log=link)
    daemon.send(b"hello\n")
    assert daemon.stop() == 0
    assert (tmp_path / "lib" / "node_log").read_text() == "hello\n"
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["node_log"]
    assert link.is_symlink()


def test_a_second_logd_on_the_same_log_waits_and_names_the_first(logd: StartLogd) -> None:
    first = logd()
    second = logd(log=first.log, ready=False)
    wait_for(lambda: second.records("is held by"), "the second one says why it waits")
    assert f"process {first.pid} on " in second.records("is held by")[0]["message"]
    assert second.readyz()[0] == 503
    with second.connect() as client:
        client.sendall(b"early, and waiting in the backlog\n")
        first.send(b"for the first\n")
        assert first.stop() == 0
        second.wait_ready()
        second.wait_for_text("for the first\nearly, and waiting in the backlog\n")


def test_a_second_logd_gives_up_after_the_grace(logd: StartLogd) -> None:
    first = logd()
    assert f"process {first.pid} on {os.uname().nodename}" in error_line(first.log, "--grace=0")
    assert first.readyz()[0] == 200


@pytest.mark.parametrize("opens_in_time", [True, False])
async def test_shutdown_during_the_start_waits_within_the_grace_for_what_clients_sent_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, opens_in_time: bool
) -> None:
    gate = threading.Event()
    real = Wiring._open_store

    def slowly(self: Wiring, on_left: Callable[[int], None]) -> LogStore:
        assert gate.wait(PATIENCE)
        return real(self, on_left)

    monkeypatch.setattr(Wiring, "_open_store", slowly)
    (listener,) = listen_on(Address("127.0.0.1", 0))
    log = tmp_path / "node_log"
    grace = PATIENCE if opens_in_time else 0.2
    collector = Collector(Settings(log=log, keep=Budget(min_free_share=None), grace=grace))
    collector.start(ListeningSockets([listener]))
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"one\n")
    if opens_in_time:
        asyncio.get_running_loop().call_later(0.05, gate.set)
    assert await collector.shut_down() is opens_in_time
    gate.set()
    if opens_in_time:
        assert log.read_bytes() == b"one\n"
