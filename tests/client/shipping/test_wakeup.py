from __future__ import annotations

import socket
import threading
from contextlib import closing

from nodelog.shipping.driver import NEVER
from nodelog.shipping.tcp_connection import TcpConnection
from nodelog.shipping.wakeup import Wakeup


def test_a_bell_that_rang_before_does_not_keep_anybody_waiting() -> None:
    with closing(Wakeup()) as bell:
        for _ in range(3):
            bell.wake()
        assert not bell.wait(NEVER, None)
        assert not bell.wait(0, None)


def test_a_bell_wakes_who_waits() -> None:
    with closing(Wakeup()) as bell:
        thread = threading.Thread(target=bell.wait, args=(NEVER, None))
        thread.start()
        bell.wake()
        thread.join(30)
        assert not thread.is_alive()


def test_a_link_that_has_something_ends_the_wait() -> None:
    with closing(Wakeup()) as bell, socket.create_server(("127.0.0.1", 0)) as listener:
        link = TcpConnection((socket.AF_INET, listener.getsockname()))
        peer, _ = listener.accept()
        with closing(link), peer:
            assert bell.wait(NEVER, link)
            assert link.finish_connecting()
            assert not bell.wait(0, link)
            bell.wake()
            assert not bell.wait(NEVER, link)
            bell.wake()
            peer.send(b"a")
            assert bell.wait(NEVER, link) or bell.wait(NEVER, link)


def test_a_bell_may_be_rung_as_often_as_one_likes_and_after_its_end() -> None:
    bell = Wakeup()
    for _ in range(100_000):
        bell.wake()
    bell.close()
    bell.wake()
