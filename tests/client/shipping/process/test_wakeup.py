from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nodelog import unpatched
from nodelog.shipping.driver import NEVER
from nodelog.shipping.network.tcp_connection import TcpConnection
from nodelog.shipping.process.wakeup import Wakeup

if TYPE_CHECKING:
    import select
    from collections.abc import Callable


def test_a_wakeup_before_the_wait_ends_it_at_once() -> None:
    with closing(Wakeup()) as wakeup:
        for _ in range(3):
            wakeup.wake()
        assert not wakeup.wait(NEVER, None)
        assert not wakeup.wait(0, None)


def test_a_wakeup_ends_the_wait_of_another_thread() -> None:
    with closing(Wakeup()) as wakeup:
        thread = threading.Thread(target=wakeup.wait, args=(NEVER, None))
        thread.start()
        wakeup.wake()
        thread.join(30)
        assert not thread.is_alive()


def test_a_ready_connection_ends_the_wait() -> None:
    with closing(Wakeup()) as wakeup, socket.create_server(("127.0.0.1", 0)) as listener:
        connection = TcpConnection((socket.AF_INET, listener.getsockname()))
        peer, _ = listener.accept()
        with closing(connection), peer:
            assert wakeup.wait(NEVER, connection)
            assert connection.finish_connecting()
            assert not wakeup.wait(0, connection)
            wakeup.wake()
            assert not wakeup.wait(NEVER, connection)
            wakeup.wake()
            peer.send(b"a")
            assert wakeup.wait(NEVER, connection) or wakeup.wait(NEVER, connection)


def test_wake_never_blocks_and_does_nothing_after_close() -> None:
    wakeup = Wakeup()
    for _ in range(100_000):
        wakeup.wake()
    wakeup.close()
    wakeup.wake()


def close_before_the_poll(monkeypatch: pytest.MonkeyPatch, close: Callable[[], None]) -> None:
    """Have another part of the program close something after the wait has begun, once."""
    make = unpatched.poll

    def close_and_make() -> select.poll:
        monkeypatch.setattr(unpatched, "poll", make)
        close()
        return make()

    monkeypatch.setattr(unpatched, "poll", close_and_make)


@pytest.mark.parametrize("end", ["_receiver", "_sender"])
def test_sockets_that_the_program_closes_as_the_wait_begins_are_made_again(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    with closing(Wakeup()) as wakeup:
        close_before_the_poll(monkeypatch, getattr(wakeup, end).close)
        assert not wakeup.wait(NEVER, None)
        assert not wakeup.wait(0, None)
        wakeup.wake()
        assert not wakeup.wait(NEVER, None)


def test_a_connection_that_the_program_closes_as_the_wait_begins_counts_as_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(Wakeup()) as wakeup, socket.create_server(("127.0.0.1", 0)) as listener:
        connection = TcpConnection((socket.AF_INET, listener.getsockname()))
        close_before_the_poll(monkeypatch, connection.socket.close)
        assert wakeup.wait(NEVER, connection)
        assert not connection.finish_connecting()
        assert connection.failure
