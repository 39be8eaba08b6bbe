"""One connection of a load over RELP, against answers made by hand."""

import socket
from collections.abc import Generator

import pytest
from tests.waiting import PATIENCE

from nodelog.load.generator.framing import framing
from nodelog.load.generator.relp_stream import Relp
from nodelog.load.generator.settings import Settings
from nodelog.wire.frames import encode

WELCOME = encode(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=syslog,lines\nnodelog_max=70000")


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    theirs.settimeout(PATIENCE)
    with ours, theirs:
        yield ours, theirs


def opened(sock: socket.socket, peer: socket.socket, settings: Settings) -> tuple[Relp, list[int]]:
    latencies: list[int] = []
    made = Relp(5, settings, framing(settings), latencies.append)
    made.sock = sock
    made.greet()
    peer.recv(9999)
    peer.sendall(WELCOME)
    made.await_welcome()
    made.next_write(settings.write_lines)
    return made, latencies


def test_a_frame_that_is_taken_in_parts_is_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    settings = Settings(run="run", protocol="relp")
    made, _ = opened(*pair, settings)
    received = bytearray()
    while not made.push():
        assert made.blocked
        received += pair[1].recv(9999)
    pair[1].settimeout(0)
    while len(received) < 65536 + len(b"2 lines 65536 \n"):
        received += pair[1].recv(99999)
    lines = b"".join(settings.line_format.format_line(5, number) for number in range(512))
    assert received == encode(2, b"lines", lines)


def test_messages_of_a_write_under_way_that_are_acknowledged_are_not_sent_again(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    settings = Settings(run="run", protocol="relp", frames="syslog")
    made, latencies = opened(*pair, settings)
    assert not made.push()
    assert pair[1].recv(9999)
    pair[1].sendall(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
    assert not made.hear(0)
    assert made.sent == made.handed == 2
    made.disconnected()
    assert (made.first, made.last, made.is_behind, latencies) == (2, 512, False, [])


def test_nothing_goes_beyond_the_window_until_it_is_acknowledged(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    made, latencies = opened(*pair, Settings(run="run", protocol="relp", write_size=0, window=256))
    for _ in range(2):
        assert made.push()
        made.next_write(1)
    assert not made.push()
    assert not made.blocked  # by the kernel
    pair[1].sendall(b"2 rsp 6 200 OK\n")
    made.hear(0)
    assert made.push()
    assert len(latencies) == made.sent == 1


def test_what_is_stored_of_a_stream_counts_as_acknowledged_after_a_reconnect(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    made, latencies = opened(*pair, Settings(run="run", protocol="relp", write_size=0))
    for _ in range(3):
        assert made.push()
        made.next_write(1)
    made.disconnected()
    assert made.is_behind
    made.sock = pair[0]
    made.greet()
    hello = pair[1].recv(9999)
    stream = hello.partition(b"nodelog_stream=")[2].partition(b",")[0]
    pair[1].sendall(
        encode(1, b"rsp", WELCOME[WELCOME.index(b"200") : -1] + b"\nnodelog_stream=" + stream + b",2")
    )
    made.hear(0)
    assert made.sent == len(latencies) == 2
    assert made.push()
    assert pair[1].recv(9999).startswith(b"2 lines 128 <run 128> 0005 0000000002 ")


def test_more_blocks_than_were_sent_are_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    made, _ = opened(*pair, Settings(run="run", protocol="relp", write_size=0))
    made.disconnected()
    made.sock = pair[0]
    made.greet()
    stream = pair[1].recv(9999).partition(b"nodelog_stream=")[2].partition(b",")[0]
    pair[1].sendall(
        encode(1, b"rsp", WELCOME[WELCOME.index(b"200") : -1] + b"\nnodelog_stream=" + stream + b",7")
    )
    with pytest.raises(OSError, match="it has block 7 of a stream that has not come so far"):
        made.hear(0)


def test_when_the_numbers_of_transactions_are_used_up_it_goes_on_over_another_socket(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodelog.wire.client_session.LARGEST_NUMBER", 4)
    made, _ = opened(*pair, Settings(run="run", protocol="relp", write_size=0))
    for _ in range(2):
        assert made.push()
        made.next_write(1)
    assert not made.push()
    pair[1].sendall(b"2 rsp 6 200 OK\n")
    assert not made.hear(0)
    pair[1].sendall(b"3 rsp 6 200 OK\n")
    assert made.hear(0)
