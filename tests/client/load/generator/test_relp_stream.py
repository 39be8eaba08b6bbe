"""One connection of a load over RELP, against handwritten responses."""

import socket
from collections.abc import Generator

import pytest
from tests.waiting import PATIENCE

from nodelog.load.generator.framing import framing
from nodelog.load.generator.relp_stream import RelpStream
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


def open_stream(sock: socket.socket, peer: socket.socket, settings: Settings) -> tuple[RelpStream, list[int]]:
    latencies: list[int] = []
    stream = RelpStream(5, settings, framing(settings), latencies.append)
    stream.sock = sock
    stream.start_session()
    peer.recv(9999)
    peer.sendall(WELCOME)
    stream.wait_for_session()
    stream.start_next_write(settings.write_lines)
    return stream, latencies


def test_a_frame_sent_in_parts_arrives_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    settings = Settings(run="run", protocol="relp")
    stream, _ = open_stream(*pair, settings)
    received = bytearray()
    while not stream.send():
        assert stream.is_blocked
        received += pair[1].recv(9999)
    pair[1].settimeout(0)
    while len(received) < 65536 + len(b"2 lines 65536 \n"):
        received += pair[1].recv(99999)
    lines = b"".join(settings.line_format.format_line(5, number) for number in range(512))
    assert received == encode(2, b"lines", lines)


def test_acknowledged_messages_of_a_partly_sent_write_are_not_sent_again(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    settings = Settings(run="run", protocol="relp", frames="syslog")
    stream, latencies = open_stream(*pair, settings)
    assert not stream.send()
    assert pair[1].recv(9999)
    pair[1].sendall(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
    assert not stream.receive(0)
    assert stream.sent == stream.written == 2
    stream.handle_disconnect()
    assert (stream.write_start, stream.write_end, stream.has_resends, latencies) == (2, 512, False, [])


def test_nothing_is_sent_beyond_the_window_until_an_acknowledgement(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    stream, latencies = open_stream(*pair, Settings(run="run", protocol="relp", write_size=0, window=256))
    for _ in range(2):
        assert stream.send()
        stream.start_next_write(1)
    assert not stream.send()
    assert not stream.is_blocked  # by the kernel
    pair[1].sendall(b"2 rsp 6 200 OK\n")
    stream.receive(0)
    assert stream.send()
    assert len(latencies) == stream.sent == 1


def test_stored_blocks_of_a_stream_count_as_acknowledged_after_a_reconnect(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    stream, latencies = open_stream(*pair, Settings(run="run", protocol="relp", write_size=0))
    for _ in range(3):
        assert stream.send()
        stream.start_next_write(1)
    stream.handle_disconnect()
    assert stream.has_resends
    stream.sock = pair[0]
    stream.start_session()
    hello = pair[1].recv(9999)
    stream_id = hello.partition(b"nodelog_stream=")[2].partition(b",")[0]
    pair[1].sendall(
        encode(1, b"rsp", WELCOME[WELCOME.index(b"200") : -1] + b"\nnodelog_stream=" + stream_id + b",2")
    )
    stream.receive(0)
    assert stream.sent == len(latencies) == 2
    assert stream.send()
    assert pair[1].recv(9999).startswith(b"2 lines 128 <run 128> 0005 0000000002 ")


def test_more_blocks_than_were_sent_are_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    stream, _ = open_stream(*pair, Settings(run="run", protocol="relp", write_size=0))
    stream.handle_disconnect()
    stream.sock = pair[0]
    stream.start_session()
    stream_id = pair[1].recv(9999).partition(b"nodelog_stream=")[2].partition(b",")[0]
    pair[1].sendall(
        encode(1, b"rsp", WELCOME[WELCOME.index(b"200") : -1] + b"\nnodelog_stream=" + stream_id + b",7")
    )
    with pytest.raises(OSError, match="it has block 7 of a stream, which was not sent yet"):
        stream.receive(0)


def test_when_transaction_numbers_run_out_it_continues_over_another_socket(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodelog.wire.client_session.LARGEST_NUMBER", 4)
    stream, _ = open_stream(*pair, Settings(run="run", protocol="relp", write_size=0))
    for _ in range(2):
        assert stream.send()
        stream.start_next_write(1)
    assert not stream.send()
    pair[1].sendall(b"2 rsp 6 200 OK\n")
    assert not stream.receive(0)
    pair[1].sendall(b"3 rsp 6 200 OK\n")
    assert stream.receive(0)
