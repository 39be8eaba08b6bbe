from __future__ import annotations

import socket

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, total, until

from nodelog.wire.client_session import ClientSession

OPEN = ClientSession(stream=None, name=None).hello()
LINES = [
    b"1", b"1 o", b"1 open 300 sockets left", b"1 open -1 relp_version=0", b"2026-11-22 13:00:00 started",
    b'{"a":1}', b"GET / HTTP/1.1\r", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(30), b"",
    b"1 open 5 relp_version=0", b"1 open 12345 relp_version=0", b"1 open 30 relp_software=x",
    b"2 open 85 relp_version=0", b" 1 open 85 relp_version=0", b"1 open 85 relp_versio", b"1 close 0",
]  # fmt: skip


def receive_response(client: socket.socket) -> bytes:
    client.setblocking(False)
    try:
        return client.recv(1000)
    except BlockingIOError:
        return b""
    finally:
        client.setblocking(True)


@pytest.mark.parametrize("start", LINES)
@pytest.mark.parametrize("end", [b"\nnext\n", b""])
async def test_starts_that_are_not_relp_stay_lines(harness: ReaderHarness, start: bytes, end: bytes) -> None:
    client = harness.connect_undecided()
    client.sendall(start + end)
    client.shutdown(socket.SHUT_WR)
    await harness.all_closed()
    data = start + end
    assert harness.written == (data if data.endswith(b"\n") or not data else data + b"\n")
    assert receive_response(client) == b""
    assert len({*harness.byte_totals()}) == 1


@pytest.mark.parametrize("start", LINES)
async def test_starts_that_are_not_relp_stay_lines_when_they_arrive_byte_by_byte(
    harness: ReaderHarness, start: bytes
) -> None:
    client = harness.connect_undecided()
    for sent in range(len(start)):
        client.sendall(start[sent : sent + 1])
        await until(lambda count=sent: total(harness.metrics.received) == count + 1)  # type: ignore[misc]
        assert len({*harness.byte_totals()}) == 1
    client.sendall(b"\n")
    await until(lambda: harness.written == start + b"\n")


async def test_a_whole_line_does_not_wait_for_the_decision(harness: ReaderHarness) -> None:
    client = harness.connect_undecided()
    client.sendall(b"1\n")
    await until(lambda: harness.written == b"1\n")


async def test_an_open_that_arrives_byte_by_byte_is_answered(harness: ReaderHarness) -> None:
    client = harness.connect_undecided()
    for sent in range(len(OPEN)):
        client.sendall(OPEN[sent : sent + 1])
        await until(lambda count=sent: total(harness.metrics.received) == count + 1)  # type: ignore[misc]
        assert len({*harness.byte_totals()}) == 1
    await until(lambda: receive_response(client).startswith(b"1 rsp "))
    assert harness.written == b""


async def test_the_decision_is_final(harness: ReaderHarness) -> None:
    lines, relp = harness.connect_undecided(), harness.connect_undecided()
    lines.sendall(b"line\n")
    await until(lambda: harness.written == b"line\n")
    lines.sendall(OPEN)
    lines.close()
    relp.sendall(OPEN)
    await until(lambda: receive_response(relp))
    relp.sendall(b"line\n")
    await harness.all_closed()
    assert harness.written == b"line\n" + OPEN
    assert harness.metric("nodelog_connections_closed_total", reason="protocol") == 1


async def test_a_split_start_stays_a_line_for_the_whole_connection() -> None:
    harness = ReaderHarness(unfinished_limit=100)
    undecided = [harness.connect_undecided() for _ in range(8)]
    for client in undecided:
        client.sendall(OPEN[:20])
    await until(lambda: total(harness.metrics.received) == 160)
    assert harness.metric("nodelog_split_lines_total", reason="buffer") > 0
    for client in undecided:
        client.sendall(OPEN[20:])
        client.close()
    await harness.all_closed()
    split = int(harness.metric("nodelog_split_lines_total", reason="buffer"))
    assert harness.written.count(OPEN[:20] + b"\n") == split
    assert len({*harness.byte_totals()}) == 1
    harness.close()


@pytest.mark.parametrize("received", range(30))
async def test_an_undecided_start_is_not_written_if_it_turns_out_to_be_relp_at_shutdown(
    harness: ReaderHarness, received: int
) -> None:
    client = harness.connect_undecided()
    client.sendall(OPEN[:received])
    await until(lambda: total(harness.metrics.received) == received)
    harness.reader.stop()
    late = harness.connections.detach_lines()
    if late:
        await harness.reader.drain_detached(late[0], OPEN[received:], at_eof=True)
        late[0].sock.close()
    await harness.reader.flush()
    assert harness.written == b""
    assert len({*harness.byte_totals()}) == 1
