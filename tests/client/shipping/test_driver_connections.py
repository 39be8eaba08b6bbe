"""How a driver makes connections and replaces them when they fail."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

from nodelog.shipping.driver import ANSWER_SECONDS, CONNECT_SECONDS, NEVER
from nodelog.shipping.network.name_lookup import LOOKUP_SECONDS
from nodelog.shipping.network.path_check import CHECK_SECONDS
from nodelog.shipping.network.tcp_connection import TcpConnection

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.client.shipping.driver_harness import Clock, MakeHarness
    from tests.client.shipping.fake_collector import FakeCollector

    from nodelog.shipping.network.name_lookup import Endpoint


@pytest.fixture
def full_backlog() -> Generator[int]:
    """Return a port whose connections are never accepted, as its backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port
        for client in clients:
            client.close()


def test_pauses_between_connections_grow(make_harness: MakeHarness, clock: Clock) -> None:
    harness = make_harness(1)
    harness.spool.append([b"a"])
    pauses = []
    for _ in range(4):
        harness.step_until(lambda: harness.driver.connection)
        harness.step_until(lambda: not harness.driver.connection)
        pauses.append(harness.driver.step(is_ready=False))
        clock.now += pauses[-1]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert len(harness.messages) == 1


def test_an_address_that_does_not_answer_is_given_up_for_the_next(
    make_harness: MakeHarness, full_backlog: int, clock: Clock
) -> None:
    harness = make_harness(full_backlog, "127.0.0.1", "127.0.0.2")
    harness.spool.append([b"a"])
    harness.driver.step(is_ready=False)
    first = harness.driver.connection
    assert first is not None
    assert harness.driver.step(is_ready=False) == pytest.approx(CONNECT_SECONDS)
    clock.now += CONNECT_SECONDS
    harness.driver.step(is_ready=False)
    assert first.failure == "no answer"
    assert not harness.messages
    harness.step_until(lambda: harness.messages)
    (message,) = harness.messages
    assert message.startswith(f"no connection to 127.0.0.2:{full_backlog}: Connection refused; ")


def test_a_peer_that_accepts_but_does_not_answer_is_reported_and_waited_for(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock
) -> None:
    collector.reads = False
    harness = make_harness(collector.port)
    harness.spool.append([b"a"])
    harness.step_until(lambda: harness.driver.connection and not harness.driver.connection.is_connecting)
    harness.driver.step(is_ready=False)
    clock.now += ANSWER_SECONDS - CHECK_SECONDS / 2
    assert harness.driver.step(is_ready=False) == pytest.approx(CHECK_SECONDS / 2)
    assert not harness.messages
    clock.now += ANSWER_SECONDS
    assert harness.driver.step(is_ready=False) == CHECK_SECONDS
    (message,) = harness.messages
    where = f"127.0.0.1:{collector.port}"
    assert message.startswith(
        f"{where} accepts the connection but does not answer (is it a collector?); still waiting; lines"
    )
    collector.reads = True
    harness.step_until(lambda: not harness.queue.unacknowledged)
    assert harness.messages[1:] == [f"connected to {where}"]
    assert collector.opened == 1


def test_an_unknown_host_name_is_reported_and_tried_again(make_harness: MakeHarness, clock: Clock) -> None:
    harness = make_harness(1, "no.such.host.invalid")
    harness.spool.append([b"a"])
    harness.driver.step(is_ready=False)
    assert harness.lookup_done.wait(PATIENCE)
    assert harness.driver.step(is_ready=False) == pytest.approx(0.1)
    (message,) = harness.messages
    assert message.startswith("no connection to no.such.host.invalid: ")
    harness.lookup_done.clear()
    clock.now += 0.1
    assert harness.driver.step(is_ready=False) == LOOKUP_SECONDS
    assert harness.lookup_done.wait(PATIENCE)
    assert harness.driver.step(is_ready=False) == pytest.approx(0.2)


def test_a_lookup_that_takes_long_is_reported_once_and_awaited(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    ask = socket.getaddrinfo

    def hang(host: str, port: int, **_: object) -> object:
        answers.wait()
        return ask(host, port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    harness = make_harness(collector.port, "localhost")
    harness.spool.append([b"a"])
    assert harness.driver.step(is_ready=False) == LOOKUP_SECONDS
    clock.now += LOOKUP_SECONDS
    assert harness.driver.step(is_ready=False) == NEVER
    assert harness.driver.step(is_ready=False) == NEVER
    text = "no connection to localhost: the name server does not answer; still waiting; lines wait in memory"
    assert harness.messages == [text]
    answers.set()
    assert harness.lookup_done.wait(PATIENCE)
    harness.step_until(lambda: not harness.queue.unacknowledged)
    assert harness.messages == [text, f"connected to 127.0.0.1:{collector.port}"]


def test_a_lack_of_file_descriptors_is_reported_and_tried_again(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> TcpConnection:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    harness = make_harness(collector.port)
    harness.queue.offer(b"a")
    with monkeypatch.context() as patch:
        patch.setattr("nodelog.shipping.driver.TcpConnection", fail)
        harness.step_until(lambda: harness.messages)
    assert "Too many open files; trying again; lines wait in memory" in harness.messages[0]
    clock.now += 1
    harness.step_until(lambda: not harness.queue.unacknowledged)
    assert collector.lines == [b"a"]


def test_an_address_family_that_the_node_lacks_does_not_hide_the_next_address(
    make_harness: MakeHarness, collector: FakeCollector, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(endpoint: Endpoint) -> TcpConnection:
        if endpoint[0] == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return TcpConnection(endpoint)

    monkeypatch.setattr("nodelog.shipping.driver.TcpConnection", connect)
    harness = make_harness(collector.port, "::1", "127.0.0.1")
    harness.queue.offer(b"a")
    harness.step_until(lambda: harness.messages)
    clock.now += 1
    harness.step_until(lambda: not harness.queue.unacknowledged)
    assert collector.lines == [b"a"]
