"""SIGTERM: clients that have sent and closed lose nothing; clients that stay open are informed."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from tests.bench import shutdown_losses
from tests.bench.naive_clients import line_of
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    import socket

    from tests.processes.logd import Logd, StartLogd

LONG_LINGER = "--linger=60s"  # longer than the timeout of any test
CONNECTION_LOST = (ConnectionResetError, BrokenPipeError)


def send_and_leave(logd: Logd, data: bytes) -> None:
    """Send and close at once, relying on the kernel to deliver."""
    with logd.connect() as client:
        client.sendall(data)


def saw_end_of_stream(client: socket.socket) -> bool:
    """Return whether logd has closed its side of the connection, which is its first step."""
    return client.recv(1) == b""


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("accepted", [True, False])
def test_20_clients_that_closed_before_the_sigterm_lose_nothing(
    logd: StartLogd, accepted: bool, end: bytes
) -> None:
    daemon = logd()
    if not accepted:  # it will see the connections and their data only after the signal
        daemon.signal(signal.SIGSTOP)
    lines = [b"line %d of a closed client" % number for number in range(20)]
    for line in lines:
        send_and_leave(daemon, line + end)
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGCONT)
    assert daemon.wait() == 0
    assert sorted(daemon.log.read_bytes().splitlines()) == sorted(lines)
    assert daemon.log.read_bytes().endswith(b"\n")


def test_clients_beyond_the_connection_limit_lose_nothing(logd: StartLogd) -> None:
    daemon = logd("--max-connections=1", "--linger=0")
    with daemon.connect():
        for number in range(20):
            send_and_leave(daemon, b"waiting %d\n" % number)
        wait_for(lambda: daemon.metric("nodelog_accept_waiting") == 1, "they wait")
        assert daemon.stop() == 0
    assert sorted(daemon.log.read_bytes().splitlines()) == sorted(b"waiting %d" % n for n in range(20))


def test_clients_that_keep_sending_and_resend_after_errors_cause_no_double_or_torn_line(
    logd: StartLogd,
) -> None:
    outcome = shutdown_losses.run(logd())
    assert (outcome.doubled, outcome.torn) == (0, 0)
    # Lines sent between the last read of a connection and its reset are lost: a few microseconds, for 50
    # connections three times; more if another process gets the CPU in that moment.
    assert outcome.lost <= 10


def test_the_comparison_counts_lost_doubled_and_torn_lines() -> None:
    a0, a1, b0 = (line_of(name, number) for name, number in (("a", 0), ("a", 1), ("b", 0)))
    found = shutdown_losses.count_errors({"a": 2, "b": 1}, a0 + a0 + a0 + b0[:5] + b"\n")
    assert found == shutdown_losses.Outcome(sent=3, lost=2, doubled=2, torn=1)
    assert shutdown_losses.count_errors({"a": 2, "b": 1}, a1 + b0 + a0) == shutdown_losses.Outcome(3, 0, 0, 0)


def test_a_client_sees_the_end_of_stream_and_can_send_until_the_reset(logd: StartLogd) -> None:
    daemon = logd()
    with daemon.connect() as client:
        client.sendall(b"before\n")
        daemon.signal(signal.SIGTERM)
        assert saw_end_of_stream(client)
        client.sendall(b"still taken\nunfinished")
        assert daemon.wait() == 0
        with pytest.raises(CONNECTION_LOST):
            client.sendall(b"goes nowhere\n")
    assert daemon.text() == "before\nstill taken\n"


def test_a_reset_waits_for_the_linger(logd: StartLogd) -> None:
    daemon = logd(LONG_LINGER)
    with daemon.connect() as client:
        wait_for(lambda: daemon.metric("nodelog_connections") == 1)
        daemon.signal(signal.SIGTERM)
        assert saw_end_of_stream(client)
        for number in range(100):
            client.sendall(b"%d\n" % number)
            daemon.wait_for_text(f"{number}\n")
    assert daemon.wait() == 0


def test_shutdown_ends_as_soon_as_all_clients_have_closed(logd: StartLogd) -> None:
    daemon = logd(LONG_LINGER)
    with ExitStack() as stack:
        clients = [stack.enter_context(daemon.connect()) for _ in range(5)]
        for client in clients:
            client.sendall(b"one\n")
        daemon.signal(signal.SIGTERM)
        for client in clients:
            assert saw_end_of_stream(client)
            client.sendall(b"and the last one")
            client.close()
        assert daemon.wait() == 0
    assert sorted(daemon.text().splitlines()) == ["and the last one"] * 5 + ["one"] * 5


def test_during_shutdown_it_is_alive_not_ready_and_refuses_connections(logd: StartLogd) -> None:
    daemon = logd(LONG_LINGER)
    with daemon.connect() as client:
        client.sendall(b"stays\n")
        daemon.signal(signal.SIGTERM)
        assert saw_end_of_stream(client)
        status, answer = daemon.readyz()
        assert (status, answer["reasons"]) == (503, {"stop": "stopping"})
        assert daemon.get("/healthz")[0] == 200
        with pytest.raises(ConnectionRefusedError):
            daemon.connect()
    assert daemon.wait() == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(logd: StartLogd, first: signal.Signals) -> None:
    daemon = logd(LONG_LINGER)
    with daemon.connect() as client:
        client.sendall(b"stays\n")
        daemon.signal(first)
        assert saw_end_of_stream(client)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 128 + signal.SIGTERM
    assert daemon.records("exiting at once")


def test_it_ends_after_the_linger_time_not_after_the_grace_time(logd: StartLogd) -> None:
    daemon = logd("--linger=500ms", "--grace=1h")
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(daemon.connect())
        wait_for(lambda: daemon.metric("nodelog_connections") == 100)
        assert daemon.stop() == 0


def test_a_flood_is_cut_at_a_line_end(logd: StartLogd) -> None:
    daemon = logd("--linger=0", "--rotate-size=1TiB")
    block = b"".join(b"%06d %s\n" % (number, b"f" * (number % 300)) for number in range(5000))

    def send_endlessly() -> None:
        with daemon.connect() as client, suppress(*CONNECTION_LOST):
            while True:
                client.sendall(block)

    senders = [threading.Thread(target=send_endlessly) for _ in range(3)]
    for sender in senders:
        sender.start()
    wait_for(lambda: daemon.metric("nodelog_received_bytes_total") > 50_000_000, "50 MB are read")
    assert daemon.stop() == 0
    for sender in senders:
        sender.join(PATIENCE)
    assert set(daemon.log.read_bytes().splitlines(keepends=True)) == set(block.splitlines(keepends=True))
