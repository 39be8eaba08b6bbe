from __future__ import annotations

import socket
import threading
from contextlib import closing

from nodelog.shipping.driver import NEVER
from nodelog.shipping.network.tcp_connection import TcpConnection
from nodelog.shipping.process.wakeup import Wakeup


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
