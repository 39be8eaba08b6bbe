"""Real paths that swallow packets, and a real collector that reads nothing for long."""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.client.shipping.fake_collector import FakeCollector
from tests.client.shipping.shipper_harness import HOST, lines_of
from tests.network_namespace import run_in_network_namespace, swallow_packets
from tests.waiting import PATIENCE, wait_for

from nodelog import Shipper

pytestmark = pytest.mark.usefixtures("short_times")
SILENT = 1.5  # seconds
LARGE_LINES = lines_of("x" * 60_000, 300)
RESET = struct.pack("ii", 1, 0)
STOPPED = """
import sys
from nodelog import Shipper
from nodelog.shipping import driver
from nodelog.shipping.network import path_check
driver.CHECK_SECONDS = 0.2
path_check.SILENT_SECONDS = float(sys.argv[2]) / 2
shipper = Shipper("127.0.0.1", int(sys.argv[1]))
shipper.send("a")
print(shipper.flush(20), "left", flush=True)
sys.stdin.readline()
shipper.send("b")
print(shipper.flush(0.1), "left", flush=True)
sys.stdin.readline()
print(shipper.flush(float(sys.argv[2])), "left", flush=True)
sys.stdin.readline()
print(f"{shipper.flush(20)} left, {shipper.stats.connections} connections")
"""


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a path often, and call it dead soon."""
    monkeypatch.setattr("nodelog.shipping.driver.CHECK_SECONDS", 0.2)
    monkeypatch.setattr("nodelog.shipping.network.path_check.SILENT_SECONDS", SILENT)
    keepalive = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2}
    monkeypatch.setattr("nodelog.shipping.network.path_check._KEEPALIVE", keepalive)


def fill_window(shipper: Shipper, collector: FakeCollector) -> None:
    """Connect, and send more than the other kernel takes, as the collector reads nothing more."""
    collector.limit_receive_buffer(16 * 1024)
    shipper.send(LARGE_LINES[0])
    assert shipper.flush(PATIENCE) == 0
    collector.reads = False
    for line in LARGE_LINES[1:]:
        shipper.send(line)
    assert shipper._thread is not None
    assert shipper._thread.driver.connection is not None
    sock = shipper._thread.driver.connection.socket.get()
    wait_for(lambda: waiting_bytes(sock.fileno()) > 1024 * 1024, "a shut window")


def waiting_bytes(fd: int) -> int:
    """Return the bytes in the kernel that the other kernel has not taken."""
    return int.from_bytes(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def connected_port(shipper: Shipper) -> int:
    """Return the local port of a shipper's connection."""
    assert shipper._thread is not None
    assert shipper._thread.driver.connection is not None
    return int(shipper._thread.driver.connection.socket.get().getsockname()[1])


def test_a_path_that_swallows_packets_is_replaced_and_each_line_arrives_once() -> None:
    messages: list[str] = []
    idle_messages: list[str] = []
    stuck_messages: list[str] = []

    def scene() -> None:
        with (
            FakeCollector() as collector,
            FakeCollector() as stuck_collector,
            Shipper(HOST, collector.port, tell=messages.append) as busy,
            Shipper(HOST, collector.port, tell=idle_messages.append) as idle,
            Shipper(HOST, stuck_collector.port, tell=stuck_messages.append) as stuck,
        ):
            fill_window(stuck, stuck_collector)
            swallow_packets(connected_port(stuck))
            for shipper in (busy, idle):
                shipper.send("before")
                assert shipper.flush(PATIENCE) == 0
                swallow_packets(connected_port(shipper))
            busy.send("after")
            assert busy.flush(PATIENCE) == 0
            wait_for(lambda: idle_messages, "the end of the idle connection")
            idle.send("after")
            assert idle.flush(PATIENCE) == 0
            assert sorted(collector.lines) == [b"after"] * 2 + [b"before"] * 2
            wait_for(lambda: stuck_messages, "the end of the connection with a shut window")
            stuck_collector.reads = True
            assert stuck.flush(PATIENCE) == 0
            assert stuck_collector.lines == LARGE_LINES

    run_in_network_namespace(scene)
    assert "its host has not answered for 2 s; trying again; lines wait in memory" in messages[0]
    assert "Connection timed out" in idle_messages[0]
    assert "its host has not answered for" in stuck_messages[0]


def test_a_node_without_free_ports_is_reported_and_tried_again() -> None:
    messages: list[str] = []

    def scene() -> None:
        with FakeCollector() as collector:
            Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("20000 20000")
            only = socket.create_connection((HOST, collector.port))
            with only, Shipper(HOST, collector.port, tell=messages.append) as shipper:
                shipper.send("a")
                wait_for(lambda: messages)
                only.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                only.close()
                assert shipper.flush(PATIENCE) == 0
            assert collector.lines == [b"a"]

    run_in_network_namespace(scene)
    assert ": Cannot assign requested address; trying again; lines wait in memory" in messages[0]


def test_a_program_that_was_stopped_for_long_keeps_its_connection(collector: FakeCollector) -> None:
    command = [sys.executable, "-c", STOPPED, str(collector.port), str(SILENT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        assert program.stdout.readline() == "0 left\n"
        collector.reads = False
        print(file=program.stdin, flush=True)
        assert program.stdout.readline() == "1 left\n"
        program.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(SILENT)
        program.send_signal(signal.SIGCONT)
        print(file=program.stdin, flush=True)
        assert program.stdout.readline() == "1 left\n"
        collector.reads = True
        assert program.communicate("\n", timeout=PATIENCE)[0] == "0 left, 1 connections\n"
    assert collector.lines == [b"a", b"b"]


def test_a_collector_that_reads_nothing_for_long_loses_no_connection(collector: FakeCollector) -> None:
    messages: list[str] = []
    with Shipper(HOST, collector.port, tell=messages.append) as shipper:
        fill_window(shipper, collector)
        assert shipper.flush(2 * SILENT) > 0
        collector.reads = True
        assert shipper.flush(PATIENCE) == 0
        assert (shipper.stats.connections, shipper.stats.set_aside) == (1, 0)
    assert collector.lines == LARGE_LINES
    assert not messages
