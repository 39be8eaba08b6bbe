import itertools
import socket
from collections.abc import Generator

import pytest

from nodelog.load.generator.line_source import line_source
from nodelog.load.generator.line_stream import LineStream
from nodelog.load.generator.settings import Settings

SETTINGS = Settings(run="run", write_size=1280)


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(30)
    with ours, theirs:
        yield ours, theirs


def stream_on(sock: socket.socket, settings: Settings = SETTINGS) -> LineStream:
    stream = LineStream(5, settings, line_source(settings))
    stream.sock = sock
    stream.start_next_write(settings.write_lines)
    return stream


def lines(first: int, last: int, size: int = 128) -> bytes:
    line_format = Settings(run="run", line_size=size).line_format
    return b"".join(line_format.format_line(5, number) for number in range(first, last))


def test_writes_contain_the_lines_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    stream = stream_on(pair[0])
    for write in range(3):
        assert stream.send()
        assert pair[1].recv(9999) == lines(write * 10, write * 10 + 10)
        stream.start_next_write(10)
    assert stream.sent == 30


def test_the_last_write_ends_at_the_quota(pair: tuple[socket.socket, socket.socket]) -> None:
    stream = stream_on(pair[0], Settings(run="run", write_size=1280, connections=6, total=13 * 128 * 6))
    assert stream.send()
    stream.start_next_write(10)
    assert stream.send()
    assert pair[1].recv(9999) == lines(0, 13)
    stream.start_next_write(10)
    assert stream.is_done
    assert stream.sent == 13


def test_a_full_socket_is_not_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        [pair[0].send(bytes(1000)) for _ in itertools.count()]
    stream = stream_on(pair[0])
    assert not stream.send()
    assert stream.sent == 0


def test_after_a_disconnect_it_continues_with_the_first_incomplete_line(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    stream = stream_on(pair[0])
    stream.write_offset = 3 * 128 + 50
    assert stream.sent == 3
    assert 0.05 <= stream.handle_disconnect() <= 0.1
    stream.sock = pair[0]
    assert stream.send()
    assert pair[1].recv(9999) == lines(3, 10)


def test_reconnect_delays_grow_until_a_socket_was_of_use(pair: tuple[socket.socket, socket.socket]) -> None:
    stream = stream_on(pair[0])
    assert max(stream.handle_disconnect() for _ in range(10)) > 2
    stream.write_offset = 1
    assert stream.handle_disconnect() <= 0.1


def test_a_stream_that_leaves_finishes_its_line_and_sends_no_more(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    stream = stream_on(pair[0])
    stream.write_offset = 2 * 128 + 100
    stream.is_leaving = True
    assert not stream.send()
    assert stream.can_close
    assert pair[1].recv(9999) == lines(2, 3)[100:]
    assert not stream.send()
    pair[0].setblocking(False)
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        pair[1].recv(1)
