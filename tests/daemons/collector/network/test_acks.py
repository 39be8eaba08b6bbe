"""When RELP frames are acknowledged, and when their connections are closed."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, reset, until
from tests.daemons.collector.relp_peer import all_bytes_accounted, open_peer, pile_up_acks

from nodelog.wire.client_session import Acked, Closed
from nodelog.wire.errors import WireError
from nodelogd.collector.network.relp_connection import MAX_UNANSWERED

KIB = 1024
STREAM = b"stream number 1."


async def test_no_frame_is_acknowledged_before_it_is_stored(harness: ReaderHarness) -> None:
    relp = await open_peer(harness)
    harness.is_stuck = True
    relp.send(b"one\n")
    await until(lambda: harness.has_held_arenas)
    assert not relp.received(Acked())
    harness.is_stuck = False
    harness.release()
    await until(lambda: relp.received(Acked()))


async def test_stored_frames_are_acknowledged_between_two_reads_of_a_turn(harness: ReaderHarness) -> None:
    first, second = await open_peer(harness), await open_peer(harness)
    harness.is_stuck = True
    first.send(b"one\n")
    await until(lambda: harness.has_held_arenas)
    harness.reader.pause()
    second.send(b"two\n")
    harness.acks.queue(harness.held_receipts())  # without waking the loop
    harness.reader.resume()
    await until(lambda: first.received(Acked()))
    assert not second.received(Acked())


async def test_a_client_with_1024_unanswered_frames_is_not_read_but_others_are(
    harness: ReaderHarness,
) -> None:
    busy, other = await open_peer(harness), await open_peer(harness)
    harness.is_stuck = True
    busy.send(*[b""] * MAX_UNANSWERED)
    await until(lambda: harness.has_held_arenas)
    received = harness.metric("nodelog_received_bytes_total")
    busy.send(b"the 1025th\n")
    other.send(b"other\n")
    await until(lambda: harness.metric("nodelog_received_bytes_total") > received)
    assert b"1025th" not in harness.written
    harness.is_stuck = False
    harness.release()
    await until(lambda: busy.received(Acked(), MAX_UNANSWERED + 1) and other.received(Acked()))
    assert sorted(harness.written.splitlines()) == [b"other", b"the 1025th"]


async def test_a_client_that_reads_no_acks_is_not_read_until_it_does_and_then_gets_all(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness)
    sent = await pile_up_acks(harness, relp)
    await until(lambda: relp.received(Acked(), sent))
    assert harness.clients.unsent == 0


async def test_acks_that_clients_do_not_read_are_bounded_over_all_clients() -> None:
    harness = ReaderHarness(unfinished_limit=128 * KIB)
    peers = [await open_peer(harness) for _ in range(4)]
    for connection in harness.connections:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for peer in peers:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while not harness.metric("nodelog_connections_closed_total", reason="buffer"):
        frames = harness.metric("nodelog_relp_frames_total")
        for peer in peers:
            peer.send(*[b""] * 100)
        await until(lambda count=frames: harness.metric("nodelog_relp_frames_total") > count)  # type: ignore[misc]
    assert harness.clients.unsent <= 128 * KIB // 4 + 4096
    harness.close()


async def test_garbage_closes_the_connection_and_is_logged_once_a_minute(
    harness: ReaderHarness, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        relp = await open_peer(harness, (STREAM, 1))
        relp.send(b"good\n")
        relp.sock.send(b"and then garbage\n")
        await until(lambda peer=relp: peer.is_ended)  # type: ignore[misc]
    await harness.all_closed()
    assert harness.written == b"good\n" * 3
    assert len(caplog.messages) == 1
    assert "broke the protocol and was cut off: not a frame header: b'a'" in caplog.messages[0]
    assert harness.metric("nodelog_connections_closed_total", reason="protocol") == 3
    assert all_bytes_accounted(harness)


async def test_a_client_that_sends_close_gets_its_response_and_the_end_of_the_stream(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness, (STREAM, 1))
    relp.send(b"one\n")
    await until(lambda: relp.received(Acked()))
    relp.sock.send(relp.session.close())
    await until(lambda: relp.is_ended)
    assert relp.received(Closed())
    assert relp.ended == "closed"
    assert harness.forgotten == [STREAM]


async def test_a_reset_with_acks_outstanding_does_not_affect_other_clients(harness: ReaderHarness) -> None:
    relp, other = await open_peer(harness), await open_peer(harness)
    harness.is_stuck = True
    relp.send(*[b"x\n"] * MAX_UNANSWERED)
    await until(lambda: harness.has_held_arenas)
    reset(relp.sock)
    await until(lambda: len(harness.connections) == 1)
    harness.is_stuck = False
    harness.release()
    other.send(b"other\n")
    await until(lambda: other.received(Acked()))
    assert harness.clients.all_answered.is_set()


async def test_acks_arrive_in_order(harness: ReaderHarness) -> None:
    relp = await open_peer(harness)
    for number in range(200):
        relp.send(*[b"%d\n" % number] * (number % 7))
        await asyncio.sleep(0)
    try:
        await until(lambda: not relp.session.unacknowledged or relp.is_ended)
    except WireError as error:
        pytest.fail(str(error))
    assert relp.ended == ""
