from __future__ import annotations

import socket

import pytest
from tests.daemons.collector.wired import Wired, total, until

from nodelog.wire.client_session import ClientSession

OPEN = ClientSession(stream=None, name=None).hello()
LINES = [
    b"1", b"1 o", b"1 open 300 sockets left", b"1 open -1 relp_version=0", b"2026-11-22 13:00:00 started",
    b'{"a":1}', b"GET / HTTP/1.1\r", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(30), b"",
    b"1 open 5 relp_version=0", b"1 open 12345 relp_version=0", b"1 open 30 relp_software=x",
    b"2 open 85 relp_version=0", b" 1 open 85 relp_version=0", b"1 open 85 relp_versio", b"1 close 0",
]  # fmt: skip


def answer(client: socket.socket) -> bytes:
    client.setblocking(False)
    try:
        return client.recv(1000)
    except BlockingIOError:
        return b""
    finally:
        client.setblocking(True)


@pytest.mark.parametrize("start", LINES)
@pytest.mark.parametrize("end", [b"\nnext\n", b""])
async def test_starts_that_must_stay_lines(wired: Wired, start: bytes, end: bytes) -> None:
    client = wired.connect_undecided()
    client.sendall(start + end)
    client.shutdown(socket.SHUT_WR)
    await wired.all_closed()
    data = start + end
    assert wired.written == (data if data.endswith(b"\n") or not data else data + b"\n")
    assert answer(client) == b""
    assert len({*wired.ledger()}) == 1


@pytest.mark.parametrize("start", LINES)
async def test_starts_that_must_stay_lines_come_byte_by_byte(wired: Wired, start: bytes) -> None:
    client = wired.connect_undecided()
    for sent in range(len(start)):
        client.sendall(start[sent : sent + 1])
        await until(lambda count=sent: total(wired.metrics.received) == count + 1)  # type: ignore[misc]
        assert len({*wired.ledger()}) == 1
    client.sendall(b"\n")
    await until(lambda: wired.written == start + b"\n")


async def test_no_whole_line_waits_for_the_decision(wired: Wired) -> None:
    client = wired.connect_undecided()
    client.sendall(b"1\n")
    await until(lambda: wired.written == b"1\n")


async def test_an_open_that_comes_byte_by_byte_is_answered(wired: Wired) -> None:
    client = wired.connect_undecided()
    for sent in range(len(OPEN)):
        client.sendall(OPEN[sent : sent + 1])
        await until(lambda count=sent: total(wired.metrics.received) == count + 1)  # type: ignore[misc]
        assert len({*wired.ledger()}) == 1
    await until(lambda: answer(client).startswith(b"1 rsp "))
    assert wired.written == b""


async def test_what_is_decided_stays(wired: Wired) -> None:
    lines, relp = wired.connect_undecided(), wired.connect_undecided()
    lines.sendall(b"line\n")
    await until(lambda: wired.written == b"line\n")
    lines.sendall(OPEN)
    lines.close()
    relp.sendall(OPEN)
    await until(lambda: answer(relp))
    relp.sendall(b"line\n")
    await wired.all_closed()
    assert wired.written == b"line\n" + OPEN
    assert wired.count("nodelog_connections_closed_total", reason="protocol") == 1


async def test_a_start_that_had_to_be_written_as_a_line_is_one_for_good() -> None:
    wired = Wired(unfinished_limit=100)
    undecided = [wired.connect_undecided() for _ in range(8)]
    for client in undecided:
        client.sendall(OPEN[:20])
    await until(lambda: total(wired.metrics.received) == 160)
    assert wired.count("nodelog_split_lines_total", reason="buffer") > 0
    for client in undecided:
        client.sendall(OPEN[20:])
        client.close()
    await wired.all_closed()
    split = int(wired.count("nodelog_split_lines_total", reason="buffer"))
    assert wired.written.count(OPEN[:20] + b"\n") == split
    assert len({*wired.ledger()}) == 1
    wired.close()


@pytest.mark.parametrize("known", range(30))
async def test_a_newcomer_at_the_end_is_taken_for_lines_unless_it_is_relp(wired: Wired, known: int) -> None:
    client = wired.connect_undecided()
    client.sendall(OPEN[:known])
    await until(lambda: total(wired.metrics.received) == known)
    wired.reader.stop()
    late = wired.connections.detach_lines()
    if late:
        await wired.reader.drain_detached(late[0], OPEN[known:], at_eof=True)
        late[0].sock.close()
    await wired.reader.flush()
    assert wired.written == b""
    assert len({*wired.ledger()}) == 1
