import itertools
import socket
from collections.abc import Generator

import pytest

from nodelog.load.generator.line_source import supply
from nodelog.load.generator.line_stream import Plain
from nodelog.load.generator.settings import Settings

SETTINGS = Settings(run="run", write_size=1280)


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(30)
    with ours, theirs:
        yield ours, theirs


def connection(sock: socket.socket, settings: Settings = SETTINGS) -> Plain:
    made = Plain(5, settings, supply(settings))
    made.sock = sock
    made.next_write(settings.write_lines)
    return made


def lines(first: int, last: int, size: int = 128) -> bytes:
    layout = Settings(run="run", line_size=size).line_format
    return b"".join(layout.format_line(5, number) for number in range(first, last))


def test_writes_are_made_of_the_lines_in_their_order(pair: tuple[socket.socket, socket.socket]) -> None:
    made = connection(pair[0])
    for write in range(3):
        assert made.push()
        assert pair[1].recv(9999) == lines(write * 10, write * 10 + 10)
        made.next_write(10)
    assert made.sent == 30


def test_the_last_write_ends_with_the_quota(pair: tuple[socket.socket, socket.socket]) -> None:
    made = connection(pair[0], Settings(run="run", write_size=1280, connections=6, total=13 * 128 * 6))
    assert made.push()
    made.next_write(10)
    assert made.push()
    assert pair[1].recv(9999) == lines(0, 13)
    made.next_write(10)
    assert made.is_done
    assert made.sent == 13


def test_a_full_socket_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        [pair[0].send(bytes(1000)) for _ in itertools.count()]
    made = connection(pair[0])
    assert not made.push()
    assert made.sent == 0


def test_after_a_loss_it_goes_on_with_the_first_line_that_was_not_taken_wholly(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    made = connection(pair[0])
    made.offset = 3 * 128 + 50
    assert made.sent == 3
    assert 0.05 <= made.disconnected() <= 0.1
    made.sock = pair[0]
    assert made.push()
    assert pair[1].recv(9999) == lines(3, 10)


def test_waits_grow_until_a_socket_was_of_use(pair: tuple[socket.socket, socket.socket]) -> None:
    made = connection(pair[0])
    assert max(made.disconnected() for _ in range(10)) > 2
    made.offset = 1
    assert made.disconnected() <= 0.1


def test_a_connection_that_leaves_finishes_its_line_and_no_more(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    made = connection(pair[0])
    made.offset = 2 * 128 + 100
    made.leaving = True
    assert not made.push()
    assert made.is_through
    assert pair[1].recv(9999) == lines(2, 3)[100:]
    assert not made.push()
    pair[0].setblocking(False)
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        pair[1].recv(1)
