"""RELP connections beside being read: what they are answered, and when they are ended."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.daemons.collector.relp_peer import accounted, opened, stuffed
from tests.daemons.collector.wired import Wired, reset, until

from nodelog.wire.client_session import Acked, Closed
from nodelog.wire.errors import WireError
from nodelogd.collector.network.relp_connection import MAX_UNANSWERED

KIB = 1024
STREAM = b"stream number 1."


async def test_nothing_is_answered_before_it_is_stored(wired: Wired) -> None:
    relp = await opened(wired)
    wired.stuck = True
    relp.send(b"one\n")
    await until(lambda: wired.keeps)
    assert not relp.has(Acked())
    wired.stuck = False
    wired.give_back()
    await until(lambda: relp.has(Acked()))


async def test_what_is_stored_is_answered_between_two_reads_of_a_turn(wired: Wired) -> None:
    first, second = await opened(wired), await opened(wired)
    wired.stuck = True
    first.send(b"one\n")
    await until(lambda: wired.keeps)
    wired.reader.pause()
    second.send(b"two\n")
    wired.acks.queue(wired.kept_receipts())  # and the loop is not woken
    wired.reader.resume()
    await until(lambda: first.has(Acked()))
    assert not second.has(Acked())


async def test_beyond_1024_unanswered_frames_a_client_is_not_read_and_others_are(wired: Wired) -> None:
    greedy, other = await opened(wired), await opened(wired)
    wired.stuck = True
    greedy.send(*[b""] * MAX_UNANSWERED)
    await until(lambda: wired.keeps)
    received = wired.count("nodelog_received_bytes_total")
    greedy.send(b"the 1025th\n")
    other.send(b"other\n")
    await until(lambda: wired.count("nodelog_received_bytes_total") > received)
    assert b"1025th" not in wired.written
    wired.stuck = False
    wired.give_back()
    await until(lambda: greedy.has(Acked(), MAX_UNANSWERED + 1) and other.has(Acked()))
    assert sorted(wired.written.splitlines()) == [b"other", b"the 1025th"]


async def test_a_client_that_takes_no_answers_is_not_read_and_gets_them_all_once_it_does(
    wired: Wired,
) -> None:
    relp = await opened(wired)
    sent = await stuffed(wired, relp)
    await until(lambda: relp.has(Acked(), sent))
    assert wired.clients.unsent == 0


async def test_answers_that_nobody_takes_are_bounded_for_all_clients_together() -> None:
    wired = Wired(unfinished_limit=128 * KIB)
    peers = [await opened(wired) for _ in range(4)]
    for connection in wired.connections:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for peer in peers:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while not wired.count("nodelog_connections_closed_total", reason="buffer"):
        frames = wired.count("nodelog_relp_frames_total")
        for peer in peers:
            peer.send(*[b""] * 100)
        await until(lambda count=frames: wired.count("nodelog_relp_frames_total") > count)  # type: ignore[misc]
    assert wired.clients.unsent <= 128 * KIB // 4 + 4096
    wired.close()


async def test_garbage_ends_a_connection_and_is_said_once_a_minute(
    wired: Wired, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        relp = await opened(wired, (STREAM, 1))
        relp.send(b"good\n")
        relp.sock.send(b"and then garbage\n")
        await until(lambda peer=relp: peer.is_ended)  # type: ignore[misc]
    await wired.all_closed()
    assert wired.written == b"good\n" * 3
    assert len(caplog.messages) == 1
    assert "broke the protocol and was cut off: not a frame header: b'a'" in caplog.messages[0]
    assert wired.count("nodelog_connections_closed_total", reason="protocol") == 3
    assert accounted(wired)


async def test_a_client_that_says_close_gets_its_answer_and_the_end(wired: Wired) -> None:
    relp = await opened(wired, (STREAM, 1))
    relp.send(b"one\n")
    await until(lambda: relp.has(Acked()))
    relp.sock.send(relp.session.close())
    await until(lambda: relp.is_ended)
    assert relp.has(Closed())
    assert relp.ended == "closed"
    assert wired.forgotten == [STREAM]


async def test_a_reset_while_answers_are_due_harms_nobody(wired: Wired) -> None:
    relp, other = await opened(wired), await opened(wired)
    wired.stuck = True
    relp.send(*[b"x\n"] * MAX_UNANSWERED)
    await until(lambda: wired.keeps)
    reset(relp.sock)
    await until(lambda: len(wired.connections) == 1)
    wired.stuck = False
    wired.give_back()
    other.send(b"other\n")
    await until(lambda: other.has(Acked()))
    assert wired.clients.all_answered.is_set()


async def test_what_a_peer_gets_is_never_out_of_order(wired: Wired) -> None:
    relp = await opened(wired)
    for number in range(200):
        relp.send(*[b"%d\n" % number] * (number % 7))
        await asyncio.sleep(0)
    try:
        await until(lambda: not relp.session.unacknowledged or relp.is_ended)
    except WireError as error:
        pytest.fail(str(error))
    assert relp.ended == ""
