from __future__ import annotations

import errno
import socket
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.waiting import wait_for

from nodelog.shipping.tcp_connection import TcpConnection, format_endpoint, resolve

if TYPE_CHECKING:
    from collections.abc import Generator

RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def listener() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@pytest.fixture
def pair(listener: socket.socket) -> Generator[tuple[TcpConnection, socket.socket]]:
    """Give a link that is connected, and the other side."""
    with closing(TcpConnection((socket.AF_INET, listener.getsockname()))) as link:
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(30)
            assert link.finish_connecting()
            yield link, peer


def test_an_address_is_a_place_and_a_name_may_be_several() -> None:
    assert resolve(["127.0.0.1", "::1", "127.0.0.1"], 7) == [
        (socket.AF_INET, ("127.0.0.1", 7)),
        (socket.AF_INET6, ("::1", 7)),
    ]
    assert (socket.AF_INET, ("127.0.0.1", 7)) in resolve(["localhost"], 7)
    with pytest.raises(OSError, match=r"Name or service not known|No address associated"):
        resolve(["no.such.host.invalid"], 7)


def test_a_place_is_named_as_people_write_it() -> None:
    assert format_endpoint((socket.AF_INET, ("10.0.0.1", 7))) == "10.0.0.1:7"
    assert format_endpoint((socket.AF_INET6, ("fd00::1", 7, 0, 0))) == "[fd00::1]:7"


def test_nothing_listens(listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    with closing(TcpConnection((socket.AF_INET, address))) as link:
        assert link.failure or not link.finish_connecting()
        assert link.failure == "Connection refused"
        assert link.is_connecting
        assert not link.closed_by_peer


def test_an_address_that_cannot_be_reached_is_a_failure() -> None:
    with closing(TcpConnection((socket.AF_INET6, ("fe80::1", 7)))) as link:  # without the interface
        assert link.failure


def test_pieces_arrive_as_they_are_however_much_goes_at_a_time(
    pair: tuple[TcpConnection, socket.socket],
) -> None:
    link, peer = pair
    pieces = [b"%d" % number * 10_000 for number in range(1000)]
    pieces.insert(500, b"")
    link.write([*pieces[:700], memoryview(b"".join(pieces[700:]))])
    assert link.wants_write
    sent, received = b"".join(pieces), bytearray()
    while len(received) < len(sent):
        received += peer.recv(65536)
        link.write([])
    assert bytes(received) == sent
    assert not link.wants_write


def test_all_that_came_is_read_before_the_end(pair: tuple[TcpConnection, socket.socket]) -> None:
    link, peer = pair
    assert link.read() == []
    assert not link.failure
    peer.sendall(b"a" * 100_000)
    peer.shutdown(socket.SHUT_WR)
    received = b""

    def ended() -> bool:
        nonlocal received
        received += b"".join(link.read())
        return bool(link.failure)

    wait_for(ended)
    assert received == b"a" * 100_000
    assert (link.failure, link.closed_by_peer) == ("it hung up", True)


def test_a_reset_is_a_hangup(pair: tuple[TcpConnection, socket.socket]) -> None:
    link, peer = pair
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    wait_for(lambda: link.read() or link.failure)
    assert (link.failure, link.closed_by_peer) == ("Connection reset by peer", True)
    link.write([b"a"])
    assert (link.failure, link.closed_by_peer) == ("Broken pipe", True)


def test_another_failure_is_not_the_peers(pair: tuple[TcpConnection, socket.socket]) -> None:
    link, _ = pair

    def fail() -> None:
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    with link._recording_failure():
        fail()
    assert (link.failure, link.closed_by_peer) == ("Connection timed out", False)
