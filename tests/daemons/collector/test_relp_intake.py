"""RELP connections as the intake serves them: limits, ends, and connections that replace each other."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.relp_peer import Peer, accounted, opened
from tests.daemons.collector.wired import Wired, reset, until

from nodelog.wire.client import Acked, ClientSession, Closed, ServerClosing, Welcome
from nodelog.wire.errors import WireError
from nodelogd.collector.farewell import farewell
from nodelogd.collector.relp import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


KIB = 1024
LONG = 60.0  # seconds; longer than a test has patience
STREAM = b"stream number 1."


@pytest.fixture
async def wired() -> AsyncGenerator[Wired]:
    made = Wired(unfinished_limit=256 * KIB)
    yield made
    made.close()


async def test_blocks_among_lines_arrive_whole_and_are_answered(wired: Wired) -> None:
    relp, lines = await opened(wired), wired.connect()
    for number in range(50):
        relp.send(b"block %d\n" % number * 100)
        lines.sendall(b"line %d\n" % number * 100)
        await until(lambda count=number: relp.has(Acked(), count + 1))  # type: ignore[misc]
    await until(lambda: wired.written.count(b"\n") == 10_000)
    assert all(line.startswith((b"block ", b"line ")) for line in wired.written.splitlines())
    assert accounted(wired)


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
    wired.intake.pause()
    second.send(b"two\n")
    wired.answers.note_stored(wired.kept_receipts())  # and the loop is not woken
    wired.intake.resume()
    await until(lambda: first.has(Acked()))
    assert not second.has(Acked())


async def test_a_new_connection_of_a_stream_closes_the_old_one_and_what_is_unread_there_is_dropped(
    wired: Wired,
) -> None:
    old = await opened(wired, (STREAM, 1))
    old.send(b"taken\n")
    await until(lambda: old.has(Acked()))
    old.sock.send(b"3 lines 100 unfinished")
    await until(lambda: wired.intake.held > 0)
    wired.intake.pause()
    old.send(b"never read\n")
    new = Peer(wired, (STREAM, 1))
    wired.answers.give()
    # Both are readable now; the old one is looked at first, as it came first, so take what it sent away.
    (connection,) = [c for c in wired.connections if c.unfinished]
    wired.connections.epoll.modify(connection.sock.fileno(), 0)
    wired.intake.resume()
    await until(lambda: new.is_open)
    assert old.is_ended
    assert wired.written == b"taken\n"
    assert wired.count("nodelog_connections_closed_total", reason="replaced") == 1
    (welcome,) = new.events
    assert isinstance(welcome, Welcome)
    assert welcome.durable == 1
    assert accounted(wired)


async def test_the_answer_to_open_waits_for_what_the_old_connection_had_sent(wired: Wired) -> None:
    old = await opened(wired, (STREAM, 1))
    wired.stuck = True
    old.send(b"one\n")
    await until(lambda: wired.keeps)
    new = Peer(wired, (STREAM, 1))
    await until(lambda: old.is_ended)
    assert not new.is_open
    wired.stuck = False
    wired.give_back()
    await until(lambda: new.is_open)
    assert isinstance(new.events[0], Welcome)
    assert new.events[0].durable == 1
    assert wired.fences[-1]


async def test_beyond_1024_unanswered_frames_a_client_is_not_read_and_others_are(wired: Wired) -> None:
    greedy, other = await opened(wired), await opened(wired)
    wired.stuck = True
    greedy.send(*[b""] * UNANSWERED)
    await until(lambda: wired.keeps)
    received = wired.count("nodelog_received_bytes_total")
    greedy.send(b"the 1025th\n")
    other.send(b"other\n")
    await until(lambda: wired.count("nodelog_received_bytes_total") > received)
    assert b"1025th" not in wired.written
    wired.stuck = False
    wired.give_back()
    await until(lambda: greedy.has(Acked(), UNANSWERED + 1) and other.has(Acked()))
    assert sorted(wired.written.splitlines()) == [b"other", b"the 1025th"]


async def stuffed(wired: Wired, relp: Peer) -> int:
    """Have a peer send, and take no answers, until they pile up; give how many frames it sent."""
    relp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    (connection,) = wired.connections
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = 0
    while wired.clients.unsent < 10_000:
        relp.send(*[b""] * 500)
        sent += 500
        frames = sent + 1
        await until(lambda count=frames: wired.count("nodelog_relp_frames_total") == count)  # type: ignore[misc]
        await until(wired.clients.answered.is_set)
    return sent


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
    await wired.emptied()
    assert wired.written == b"good\n" * 3
    assert len(caplog.messages) == 1
    assert "broke the protocol and was cut off: not a frame header: b'a'" in caplog.messages[0]
    assert wired.count("nodelog_connections_closed_total", reason="protocol") == 3
    assert accounted(wired)


async def test_a_block_that_is_too_large_ends_its_connection_before_it_is_kept(wired: Wired) -> None:
    relp = await opened(wired)
    relp.send(b"good\n")
    relp.sock.send(b"3 lines %d " % (wired.limits.max_data + 1) + b"x" * 1000)
    await until(lambda: relp.is_ended)
    await wired.emptied()
    assert wired.written == b"good\n"
    assert wired.intake.held == 0
    assert accounted(wired)


async def test_beyond_their_memory_the_longest_unfinished_frame_is_closed_and_told_so(wired: Wired) -> None:
    peers = [await opened(wired) for _ in range(8)]
    frames = [b"".join(map(bytes, peer.session.block(b"x" * 59_999 + b"\n"))) for peer in peers]
    for number, peer in enumerate(peers):
        peer.sock.send(frames[number][: 40_000 + 100 * number])
    await until(lambda: wired.count("nodelog_connections_closed_total", reason="buffer") > 0)
    await until(lambda: wired.intake.held <= 256 * KIB)
    closed = int(wired.count("nodelog_connections_closed_total", reason="buffer"))
    await until(lambda: sum(peer.is_ended for peer in peers) == closed)
    assert closed < 8
    assert all(ServerClosing() in peer.events for peer in peers if peer.is_ended and peer.ended == "closed")
    for number, peer in enumerate(peers):
        if not peer.is_ended:
            peer.sock.send(frames[number][40_000 + 100 * number :])
            await until(lambda one=peer: one.has(Acked()))  # type: ignore[misc]
    assert len(wired.written) == 60_000 * (8 - closed)
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


async def test_a_half_frame_at_the_end_of_the_stream_is_dropped_and_counted(wired: Wired) -> None:
    relp = await opened(wired)
    relp.send(b"whole\n")
    relp.sock.send(b"3 lines 100 half")
    relp.sock.close()
    await wired.emptied()
    assert wired.written == b"whole\n"
    assert wired.count("nodelog_dropped_bytes_total", reason="end of stream") == len(b"3 lines 100 half")
    assert wired.intake.held == 0
    assert accounted(wired)


async def test_a_reset_while_answers_are_due_harms_nobody(wired: Wired) -> None:
    relp, other = await opened(wired), await opened(wired)
    wired.stuck = True
    relp.send(*[b"x\n"] * UNANSWERED)
    await until(lambda: wired.keeps)
    reset(relp.sock)
    await until(lambda: len(wired.connections) == 1)
    wired.stuck = False
    wired.give_back()
    other.send(b"other\n")
    await until(lambda: other.has(Acked()))
    assert wired.clients.answered.is_set()


async def test_at_the_end_what_was_taken_is_answered_and_what_was_not_comes_again(wired: Wired) -> None:
    relp = await opened(wired, (STREAM, 1))
    wired.stuck = True
    relp.send(b"taken\n")
    await until(lambda: wired.keeps)
    end = asyncio.ensure_future(farewell(wired.intake, wired.clients, LONG))
    await asyncio.sleep(0)
    relp.send(b"not taken\n")
    wired.stuck = False
    wired.give_back()
    await until(lambda: relp.is_ended)
    assert relp.ended == "closed"
    assert relp.events[1:] == [Acked(), ServerClosing()]
    relp.sock.close()
    await end
    assert wired.written == b"taken\n"


async def test_at_the_end_answers_that_were_not_taken_yet_are_sent_before_the_fin(wired: Wired) -> None:
    relp = await opened(wired)
    sent = await stuffed(wired, relp)
    end = asyncio.ensure_future(farewell(wired.intake, wired.clients, LONG))
    await asyncio.sleep(0)
    relp.send(b"unread\n")  # would make a plain close a reset
    await until(lambda: relp.is_ended)
    assert relp.ended == "closed"
    assert relp.has(Acked(), sent)
    assert relp.has(ServerClosing())
    relp.sock.close()
    await end


async def test_at_the_end_a_peer_that_stays_is_waited_for_as_long_as_the_linger(wired: Wired) -> None:
    relp = await opened(wired)
    await farewell(wired.intake, wired.clients, 0.05)
    assert relp.has(ServerClosing())
    assert wired.count("nodelog_connections_closed_total", reason="stop") == 1


async def test_who_turns_out_to_speak_relp_at_the_end_is_closed_and_harms_nobody(wired: Wired) -> None:
    old = await opened(wired, (STREAM, 1))
    undecided = wired.connect_newcomer()
    end = asyncio.ensure_future(farewell(wired.intake, wired.clients, LONG))
    await until(lambda: old.is_ended)
    undecided.sendall(ClientSession(stream=(STREAM, 1), name=None).hello())
    await until(wired.connections.emptied.is_set)
    old.sock.close()
    await end
    assert wired.written == b""


async def test_a_stuck_disk_ends_the_farewell_when_its_time_is_up_and_nobody_is_answered(
    wired: Wired,
) -> None:
    relp = await opened(wired)
    wired.stuck = True
    relp.send(b"one\n")
    await until(lambda: wired.keeps)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await farewell(wired.intake, wired.clients, LONG)
    await until(lambda: relp.is_ended)
    assert not relp.has(Acked())
    wired.stuck = False
    wired.give_back()
    await asyncio.sleep(0)


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
