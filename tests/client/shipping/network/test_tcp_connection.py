from __future__ import annotations

import errno
import socket
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.waiting import wait_for

from nodelog.shipping.network.tcp_connection import TcpConnection, format_endpoint

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
    """Return a connection that has been made, and the other side."""
    with closing(TcpConnection((socket.AF_INET, listener.getsockname()))) as connection:
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(30)
            assert connection.finish_connecting()
            yield connection, peer


def test_an_endpoint_is_formatted_as_address_and_port() -> None:
    assert format_endpoint((socket.AF_INET, ("10.0.0.1", 7))) == "10.0.0.1:7"
    assert format_endpoint((socket.AF_INET6, ("fd00::1", 7, 0, 0))) == "[fd00::1]:7"


def test_a_refused_connection_is_a_failure(listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    with closing(TcpConnection((socket.AF_INET, address))) as connection:
        assert connection.failure or not connection.finish_connecting()
        assert connection.failure == "Connection refused"
        assert connection.is_connecting
        assert not connection.closed_by_peer


def test_an_address_that_cannot_be_reached_is_a_failure() -> None:
    with closing(TcpConnection((socket.AF_INET6, ("fe80::1", 7)))) as connection:  # it needs an interface
        assert connection.failure


def test_pieces_arrive_complete_however_much_is_sent_at_a_time(
    pair: tuple[TcpConnection, socket.socket],
) -> None:
    connection, peer = pair
    pieces = [b"%d" % number * 10_000 for number in range(1000)]
    pieces.insert(500, b"")
    connection.write([*pieces[:700], memoryview(b"".join(pieces[700:]))])
    assert connection.wants_write
    sent, received = b"".join(pieces), bytearray()
    while len(received) < len(sent):
        received += peer.recv(65536)
        connection.write([])
    assert bytes(received) == sent
    assert not connection.wants_write


def test_all_data_is_read_before_the_hangup(pair: tuple[TcpConnection, socket.socket]) -> None:
    connection, peer = pair
    assert connection.read() == []
    assert not connection.failure
    peer.sendall(b"a" * 100_000)
    peer.shutdown(socket.SHUT_WR)
    received = b""

    def ended() -> bool:
        nonlocal received
        received += b"".join(connection.read())
        return bool(connection.failure)

    wait_for(ended)
    assert received == b"a" * 100_000
    assert (connection.failure, connection.closed_by_peer) == ("it closed the connection", True)


def test_a_reset_is_a_hangup(pair: tuple[TcpConnection, socket.socket]) -> None:
    connection, peer = pair
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    wait_for(lambda: connection.read() or connection.failure)
    assert (connection.failure, connection.closed_by_peer) == ("Connection reset by peer", True)
    connection.write([b"a"])
    assert (connection.failure, connection.closed_by_peer) == ("Broken pipe", True)


def test_a_timeout_is_not_a_hangup(pair: tuple[TcpConnection, socket.socket]) -> None:
    connection, _ = pair

    def fail() -> None:
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    with connection._recording_failure():
        fail()
    assert (connection.failure, connection.closed_by_peer) == ("Connection timed out", False)
