from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.network.timeouts.dead_peer import Peer, open_session
from tests.daemons.collector.reader_harness import until

from nodelogd.collector.network.timeouts.dead_peers import DeadPeers, TcpState

if TYPE_CHECKING:
    from tests.daemons.collector.reader_harness import ReaderHarness

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("state", "is_dead"),
    [
        (TcpState(probes=0, unacked=0, since_sent=600.0, since_answer=600.0), False),  # keepalive finds it
        (TcpState(probes=0, unacked=1, since_sent=2.0, since_answer=24.9), False),  # not long enough
        (TcpState(probes=0, unacked=1, since_sent=2.0, since_answer=25.0), True),  # sent again in vain
        (TcpState(probes=0, unacked=1, since_sent=40.0, since_answer=40.0), False),  # answered when sent
        (TcpState(probes=0, unacked=1, since_sent=40.1, since_answer=40.0), False),
        (
            TcpState(probes=0, unacked=0, since_sent=600.0, since_answer=90.0),
            False,
        ),  # the last probe was answered
        (
            TcpState(probes=1, unacked=0, since_sent=600.0, since_answer=90.0),
            True,
        ),  # a probe was not answered
    ],
)
def test_only_a_peer_whose_kernel_does_not_answer_is_dead(state: TcpState, *, is_dead: bool) -> None:
    assert state.is_unanswered(25.0) is is_dead


def window_probes(sock: socket.socket) -> int:
    """Return how often the kernel has probed the shut window; each interval is twice the last, from 0.2 s."""
    backoff: int = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[4]
    return backoff


def test_the_state_is_that_of_the_kernel() -> None:
    with Peer() as peer:
        peer.accepted.sendall(b"x")
        assert peer.client.recv(1) == b"x"
        state = TcpState.of(peer.accepted)
        assert state.probes == 0
        assert 0 <= state.since_sent < 20
        assert 0 <= state.since_answer < 20


async def test_peers_that_do_not_read_are_not_dead(harness: ReaderHarness) -> None:
    dead_peers = DeadPeers(harness.connections, limit=1.5)
    client = harness.connect_undecided()
    connection = await open_session(harness, client)
    try:
        while True:
            connection.sock.send(bytes(65536))
    except BlockingIOError:
        pass

    def is_probed() -> bool:
        """Return whether the kernel has probed the shut window several times."""
        dead_peers.check()
        return window_probes(connection.sock) >= 4

    await until(is_probed)
    assert list(harness.connections) == [connection]


async def test_a_disk_that_pauses_reading_ends_no_connection(harness: ReaderHarness) -> None:
    """Keepalive is shortened to two seconds on both sides; the window is shut for longer than that."""
    harness.is_stuck = True
    client = harness.connect()
    (connection,) = harness.connections
    for sock in (client, connection.sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)
    client.setblocking(False)
    line, sent = b"x" * 1023 + b"\n", 0

    def fill() -> int:
        """Send as much as the connection takes; return how often its shut window was probed."""
        nonlocal sent
        try:
            while True:
                sent += client.send(line[sent % len(line) :])
        except BlockingIOError:
            return window_probes(client)

    await until(lambda: fill() >= 4)
    assert len(harness.connections) == 1
    harness.is_stuck = False
    harness.release()
    await asyncio.get_running_loop().sock_sendall(client, line[sent % len(line) :])
    client.shutdown(socket.SHUT_WR)
    await harness.all_closed()
    assert len(harness.written) == -(-(sent + 1) // len(line)) * len(line)
    assert harness.metric("nodelog_connections_closed_total", reason="end of stream") == 1


@pytest.mark.parametrize("case", ["idle", "unanswered"])
def test_a_peer_that_vanishes_is_noticed(case: str) -> None:
    if os.geteuid():
        pytest.skip("a network of its own needs root")
    command = [
        "unshare",
        "--net",
        sys.executable,
        "-m",
        "tests.daemons.collector.network.timeouts.dead_peer",
        case,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == ("reset\n" if case == "idle" else "dead peer\n")
