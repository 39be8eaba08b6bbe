from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.client.shipping.driver_harness import Clock, Rig, Rigs

from nodelog.shipping.driver import ANSWER_SECONDS, CONNECT_SECONDS, LINGER_SECONDS, NEVER
from nodelog.shipping.tcp_connection import TcpConnection
from nodelog.spool.blocks import SpoolError
from nodelog.spool.file_spool import FileSpool

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.client.shipping.fake_collector import Collector

    from nodelog.shipping.tcp_connection import Endpoint
    from nodelog.spool.spool import Spool


@pytest.fixture
def rigged() -> Generator[Rigs]:
    """Make rigs, and close them after the test."""
    with ExitStack() as stack:

        def make(port: int, *hosts: str, spool: Spool | None = None) -> Rig:
            rig = Rig(port, *hosts, spool=spool)
            stack.callback(rig.runner.close)
            return rig

        yield make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("nodelog.shipping.driver.time", clock)
    return clock


@pytest.fixture
def silent() -> Generator[int]:
    """Give a port whose connections are never accepted, as its backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port
        for client in clients:
            client.close()


def test_there_is_no_connection_before_there_is_a_line(
    rigged: Rigs, collector: Collector, clock: Clock
) -> None:
    rig = rigged(collector.port)
    assert rig.runner.step(is_ready=False) == NEVER
    assert not rig.runner.connection
    rig.intake.offer(b"a")
    assert rig.rings
    assert rig.runner.step(is_ready=False) == pytest.approx(LINGER_SECONDS)
    assert rig.runner.connection
    rig.until(lambda: not rig.intake.unacknowledged)
    clock.now += LINGER_SECONDS
    assert rig.runner.step(is_ready=False) == NEVER
    assert collector.lines == [b"a"]


def test_a_line_in_memory_wakes_nobody_while_an_ack_is_awaited(
    rigged: Rigs, collector: Collector, clock: Clock
) -> None:
    rig = rigged(collector.port)
    rig.intake.offer(b"a")
    rig.until(lambda: not rig.intake.unacknowledged)
    clock.now += LINGER_SECONDS
    assert rig.runner.step(is_ready=False) == NEVER
    collector.acks = False
    rig.intake.offer(b"b")
    count = len(rig.rings)
    assert rig.runner.step(is_ready=False) == pytest.approx(LINGER_SECONDS)
    clock.now += LINGER_SECONDS
    assert rig.runner.step(is_ready=False) == NEVER
    rig.intake.offer(b"c")
    assert len(rig.rings) == count
    rig.intake.offer(b"x" * 65_536)
    assert len(rig.rings) == count + 1


def test_a_line_wakes_nobody_so_soon_after_another(rigged: Rigs, collector: Collector, clock: Clock) -> None:
    rig = rigged(collector.port)
    rig.intake.offer(b"a")
    rig.until(lambda: not rig.intake.unacknowledged)
    count = len(rig.rings)
    clock.now += LINGER_SECONDS / 2
    assert rig.runner.step(is_ready=False) == pytest.approx(LINGER_SECONDS / 2)
    rig.intake.offer(b"b")
    assert len(rig.rings) == count
    clock.now += LINGER_SECONDS
    rig.until(lambda: not rig.intake.unacknowledged)
    clock.now += LINGER_SECONDS
    assert rig.runner.step(is_ready=False) == NEVER
    rig.intake.offer(b"c")
    assert len(rig.rings) == count + 1


def test_a_line_for_a_file_wakes_the_thread_at_any_time(rigged: Rigs, tmp_path: Path, clock: Clock) -> None:
    spool = FileSpool(tmp_path / "spool")
    rig = rigged(1, spool=spool)
    spool.append([b"a"])
    rig.until(lambda: rig.told)
    assert rig.runner.step(is_ready=False) == pytest.approx(0.1)
    rig.intake.offer(b"b")
    assert rig.rings
    assert rig.runner.step(is_ready=False) == pytest.approx(LINGER_SECONDS)
    assert spool.lines == 2
    clock.now += 1


def test_pauses_between_connections_grow(rigged: Rigs, clock: Clock) -> None:
    rig = rigged(1)
    rig.spool.append([b"a"])
    pauses = []
    for _ in range(4):
        rig.until(lambda: rig.runner.connection)
        rig.until(lambda: not rig.runner.connection)
        pauses.append(rig.runner.step(is_ready=False))
        clock.now += pauses[-1]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert len(rig.told) == 1


def test_a_collector_that_does_not_answer_is_given_up_for_the_next(
    rigged: Rigs, silent: int, clock: Clock
) -> None:
    rig = rigged(silent, "127.0.0.1", "127.0.0.2")
    rig.spool.append([b"a"])
    rig.runner.step(is_ready=False)
    first = rig.runner.connection
    assert first is not None
    assert rig.runner.step(is_ready=False) == pytest.approx(CONNECT_SECONDS)
    clock.now += CONNECT_SECONDS
    rig.runner.step(is_ready=False)
    assert first.failure == "no answer"
    assert not rig.told
    rig.until(lambda: rig.told)
    (told,) = rig.told
    assert told.startswith(f"no connection to 127.0.0.2:{silent}: Connection refused; ")


def test_somebody_who_listens_and_does_not_answer_is_told_of_and_waited_for(
    rigged: Rigs, collector: Collector, clock: Clock
) -> None:
    collector.reads = False
    rig = rigged(collector.port)
    rig.spool.append([b"a"])
    rig.until(lambda: rig.runner.connection and not rig.runner.connection.is_connecting)
    assert rig.runner.step(is_ready=False) == pytest.approx(ANSWER_SECONDS)
    clock.now += ANSWER_SECONDS
    assert rig.runner.step(is_ready=False) == NEVER
    (told,) = rig.told
    where = f"127.0.0.1:{collector.port}"
    assert told.startswith(
        f"{where} takes the connection but does not answer: is it a collector? waiting, lines"
    )
    collector.reads = True
    rig.until(lambda: not rig.intake.unacknowledged)
    assert rig.told[1:] == [f"connected to {where}"]
    assert collector.opened == 1


def test_a_name_that_nobody_knows_is_told_and_tried_again(rigged: Rigs, clock: Clock) -> None:
    rig = rigged(1, "no.such.host.invalid")
    rig.spool.append([b"a"])
    assert rig.runner.step(is_ready=False) == pytest.approx(0.1)
    (told,) = rig.told
    assert told.startswith("no connection to no.such.host.invalid: ")
    clock.now += 0.1
    assert rig.runner.step(is_ready=False) == pytest.approx(0.2)


def test_a_spool_that_cannot_be_used_is_tried_again_in_a_second(
    rigged: Rigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rigged(1)

    def fail(_: object) -> None:
        raise SpoolError("no")

    monkeypatch.setattr(rig.spool, "append", fail)
    rig.intake.offer(b"a")
    assert rig.runner.step(is_ready=False) == 1.0


def test_it_is_over_at_its_end_whatever_is_left(rigged: Rigs, clock: Clock) -> None:
    rig = rigged(1)
    rig.spool.append([b"a"])
    rig.runner.step(is_ready=False)
    rig.runner.finish(3)
    assert rig.runner.step(is_ready=False) <= 3
    is_over = [rig.runner.is_finished]
    clock.now += 3
    assert [*is_over, rig.runner.is_finished] == [False, True]


def test_it_is_over_when_nothing_is_left_and_goodbye_was_said(rigged: Rigs, collector: Collector) -> None:
    rig = rigged(collector.port)
    rig.intake.offer(b"a")
    rig.until(lambda: not rig.intake.unacknowledged)
    rig.runner.finish(30)
    assert not rig.runner.is_finished
    rig.until(lambda: rig.runner.is_finished)
    rig.runner.close()
    assert collector.closed == 1


def test_it_is_over_at_once_where_there_was_nothing_to_send(rigged: Rigs) -> None:
    rig = rigged(1)
    rig.runner.finish(30)
    rig.runner.step(is_ready=False)
    assert rig.runner.is_finished


def test_nothing_can_be_sent_after_the_end(rigged: Rigs) -> None:
    rig = rigged(1)
    rig.runner.close()
    with pytest.raises(ValueError, match="the shipper is closed"):
        rig.intake.offer(b"a")


def test_no_socket_left_for_a_connection_is_told_and_tried_again(
    rigged: Rigs, collector: Collector, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmade(_: object) -> TcpConnection:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    rig = rigged(collector.port)
    rig.intake.offer(b"a")
    with monkeypatch.context() as patch:
        patch.setattr("nodelog.shipping.driver.TcpConnection", unmade)
        rig.until(lambda: rig.told)
    assert "Too many open files; trying again, lines wait in memory" in rig.told[0]
    clock.now += 1
    rig.until(lambda: not rig.intake.unacknowledged)
    assert collector.lines == [b"a"]


def test_an_address_of_a_family_that_the_node_lacks_does_not_hide_the_next_one(
    rigged: Rigs, collector: Collector, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(place: Endpoint) -> TcpConnection:
        if place[0] == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return TcpConnection(place)

    monkeypatch.setattr("nodelog.shipping.driver.TcpConnection", made)
    rig = rigged(collector.port, "::1", "127.0.0.1")
    rig.intake.offer(b"a")
    rig.until(lambda: rig.told)
    clock.now += 1
    rig.until(lambda: not rig.intake.unacknowledged)
    assert collector.lines == [b"a"]
