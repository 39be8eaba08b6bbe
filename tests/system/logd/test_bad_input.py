"""Bad input: the process survives, other clients' lines arrive whole, memory is bounded."""

from __future__ import annotations

import random
import resource
import signal
import socket
import struct
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.processes.logd import Logd, StartLogd

MB = 1_000_000
MIB = 1024 * 1024
MEMORY = 150 * MB
TYPED = 10_000  # bytes, one at a time
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(autouse=True)
def many_files() -> Generator[None]:
    """Raise the limit of open files, for tests with many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def with_bystander(logd: Logd) -> Generator[None]:
    """Send from a bystander meanwhile; at the end, check that logd is well and all these lines are whole."""
    sent: list[bytes] = []
    stop = threading.Event()

    def send() -> None:
        with logd.connect() as client:
            while not stop.wait(0.002):
                sent.append(b"bystander %07d %s" % (len(sent), b"." * (len(sent) % 200)))
                client.sendall(sent[-1] + b"\n")

    bystander = threading.Thread(target=send)
    bystander.start()
    try:
        yield
        wait_for(lambda: len(sent) >= 100, "the bystander has sent some lines")
    finally:
        stop.set()
        bystander.join()
    assert logd.readyz()[0] == 200
    assert logd.peak_rss() <= MEMORY
    assert logd.stop() == 0
    assert [line for line in lines_of(logd) if line.startswith(b"bystander")] == sent


def lines_of(logd: Logd) -> Generator[bytes]:
    with logd.log.open("rb") as file:
        for line in file:
            assert line.endswith(b"\n")
            yield line[:-1]


def lines_of_others(logd: Logd) -> Generator[bytes]:
    """Return the lines that are not from the bystander."""
    return (line for line in lines_of(logd) if not line.startswith(b"bystander"))


def wait_for_bytes(logd: Logd, count: int) -> None:
    """Wait until logd has read `count` bytes in total, including those of the bystander."""
    wait_for(lambda: logd.metric("nodelog_received_bytes_total") >= count, f"{count} bytes are read")


def has_dropped(logd: Logd, count: int) -> bool:
    return logd.metric("nodelog_dropped_lines_total", reason="reset") == count


def test_a_line_of_1_gib_is_written_in_pieces(logd: StartLogd) -> None:
    daemon = logd("--rotate-size=1TiB")
    with with_bystander(daemon):
        block = b"x" * MIB
        with daemon.connect() as client:
            for _ in range(1024):
                client.sendall(block)
            client.sendall(b"\nnext\n")
        wait_for_bytes(daemon, 1024 * MIB)
    pieces = [b"piece" if line == block else line for line in lines_of_others(daemon)]
    assert pieces == [b"piece"] * 1024 + [b"next"]
    daemon.log.unlink()


def test_64_unfinished_lines_of_almost_1_mib_do_not_stop_reading(logd: StartLogd) -> None:
    daemon = logd()
    rest = b"u" * (MIB - 1)
    with with_bystander(daemon), ExitStack() as stack:
        clients = [stack.enter_context(daemon.connect()) for _ in range(64)]
        for client in clients:
            client.sendall(rest)
        wait_for_bytes(daemon, 64 * len(rest))
        assert daemon.metric("nodelog_split_lines_total", reason="buffer") > 0
        assert daemon.metric("nodelog_held_bytes") <= daemon.metric("nodelog_buffer_bytes")
        for client in clients:
            client.sendall(b"\n")
    assert sum(line.count(b"u") for line in lines_of_others(daemon)) == 64 * len(rest)


def test_unfinished_lines_that_arrive_all_at_once_are_bounded(logd: StartLogd) -> None:
    daemon = logd()
    rest = b"u" * (256 * 1024)
    with with_bystander(daemon), ExitStack() as stack:
        clients = [stack.enter_context(daemon.connect()) for _ in range(500)]
        wait_for(lambda: daemon.metric("nodelog_connections") >= len(clients), "all are accepted")
        daemon.signal(signal.SIGSTOP)
        for client in clients:
            client.sendall(rest)
        daemon.signal(signal.SIGCONT)
        wait_for_bytes(daemon, len(clients) * len(rest))
    assert sum(line.count(b"u") for line in lines_of_others(daemon)) == 500 * len(rest)


def test_single_bytes_cost_no_more_after_a_long_unfinished_line(logd: StartLogd) -> None:
    daemon = logd()
    costs = []
    for tail in (100, MB):
        with daemon.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            before = daemon.metric("nodelog_received_bytes_total")
            client.sendall(b"t" * tail)
            wait_for_bytes(daemon, int(before) + tail)
            cpu = daemon.cpu_seconds()
            for _ in range(TYPED):
                client.send(b"b")
            wait_for_bytes(daemon, int(before) + tail + TYPED)
            costs.append(daemon.cpu_seconds() - cpu)
    short, long = costs
    assert long <= 3 * short + 0.2  # searching or copying the tail each time would cost a second or more
    assert daemon.stop() == 0
    assert [len(line) for line in lines_of(daemon)] == [100 + TYPED, MB + TYPED]


def test_nul_bytes_are_kept(logd: StartLogd) -> None:
    daemon = logd()
    with with_bystander(daemon):
        daemon.send(b"\0" * 300_000 + b"\n\0\n\0\0\n" + b"\0")
    assert list(lines_of_others(daemon)) == [b"\0" * 300_000, b"\0", b"\0\0", b"\0"]


def test_a_stream_without_line_ends_is_written_in_pieces(logd: StartLogd) -> None:
    daemon = logd("--max-line=64KiB")
    with with_bystander(daemon):
        daemon.send(b"e" * (16 * MIB + 17))
    assert [len(line) for line in lines_of_others(daemon)] == [64 * 1024] * 256 + [17]


def test_5000_silent_connections_do_no_harm(logd: StartLogd) -> None:
    daemon = logd()
    with with_bystander(daemon), ExitStack() as stack:
        for _ in range(5000):
            stack.enter_context(daemon.connect())
        wait_for(lambda: daemon.metric("nodelog_connections") >= 5000, "all are accepted")
        stack.enter_context(daemon.connect()).sendall(b"one more\n")
        wait_for_bytes(daemon, 9)
    assert list(lines_of_others(daemon)) == [b"one more"]


def test_a_vanished_peer_is_probed_by_keepalive(logd: StartLogd) -> None:
    daemon = logd()
    with daemon.connect() as client:
        own, peer = (f"0100007F:{port:04X}" for port in (daemon.port, client.getsockname()[1]))
        wait_for(lambda: daemon.metric("nodelog_connections") == 1, "it is accepted")
        table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    (timer,) = [fields[5] for fields in table if fields[1:3] == [own, peer]]
    kind, ticks = timer.split(":")
    assert kind == "02"  # keepalive
    assert int(ticks, 16) <= 60 * 100


def test_a_reset_within_a_line_drops_that_line_and_counts_it(logd: StartLogd) -> None:
    daemon = logd()
    with with_bystander(daemon):
        for count, text in enumerate((b"whole\nhalf", b"half", b"whole\n" + b"h" * 100_000), 1):
            with daemon.connect() as client:
                client.sendall(text)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            wait_for(partial(has_dropped, daemon, count))
        assert daemon.metric("nodelog_dropped_bytes_total", reason="reset") == 100_008
        assert daemon.metric("nodelog_connections_closed_total", reason="reset") == 3
    assert list(lines_of_others(daemon)) == [b"whole", b"whole"]


def test_random_bytes_are_logged_as_lines(logd: StartLogd) -> None:
    daemon = logd()
    rng = random.Random(7)  # noqa: S311 (not a secret)
    streams = [rng.randbytes(2 * MIB) for _ in range(4)]
    with with_bystander(daemon):
        senders = [threading.Thread(target=daemon.send, args=[data]) for data in streams]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    expected = [line for data in streams for line in data.removesuffix(b"\n").split(b"\n")]
    assert sorted(lines_of_others(daemon)) == sorted(expected)


def test_random_cuts_and_resets_do_not_tear_other_lines(logd: StartLogd) -> None:
    daemon = logd()
    rng = random.Random(8)  # noqa: S311 (as above)
    with with_bystander(daemon):
        for _ in range(200):
            data = b"".join(b"r%s\n" % (b"r" * rng.randrange(3000)) for _ in range(10))
            cuts = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(5))})
            with daemon.connect() as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for start, end in list(pairwise(cuts))[: rng.randrange(1, 7)]:
                    client.sendall(data[start:end])
                if rng.random() < 0.5:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert {line[:1] for line in lines_of_others(daemon)} == {b"r"}
