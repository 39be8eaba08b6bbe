from __future__ import annotations

import asyncio
import socket

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, until
from tests.daemons.collector.relp_peer import open_peer, pile_up_acks

from nodelog.wire.client_session import Acked, ClientSession, ServerClosing
from nodelogd.collector.network.drain import drain

LONG = 60.0  # seconds; longer than a test waits
STREAM = b"stream number 1."


def has_fin(client: socket.socket) -> bool:
    """Return True if the collector has shut down its side."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        client.setblocking(True)


async def test_without_connections_it_returns_at_once(harness: ReaderHarness) -> None:
    await drain(harness.reader, harness.clients, LONG)


async def test_it_returns_when_the_last_client_has_closed(harness: ReaderHarness) -> None:
    clients = [harness.connect() for _ in range(3)]
    end = asyncio.ensure_future(drain(harness.reader, harness.clients, LONG))
    for client in clients:
        await until(lambda one=client: has_fin(one))  # type: ignore[misc]
        client.sendall(b"last words")
        client.close()
    await end
    assert harness.written == b"last words\n" * 3
    assert harness.metric("nodelog_connections_closed_total", reason="end of stream") == 3


async def test_a_connection_that_stays_open_is_read_during_the_linger_and_then_reset(
    harness: ReaderHarness,
) -> None:
    client = harness.connect()
    end = asyncio.ensure_future(drain(harness.reader, harness.clients, 0.2))
    await until(lambda: has_fin(client))
    client.sendall(b"still taken\n")
    await until(lambda: harness.written == b"still taken\n")
    client.sendall(b"unfinished")
    await end
    with pytest.raises(GONE_ERRORS):
        client.sendall(b"goes nowhere\n")
    assert harness.written == b"still taken\n"
    assert harness.metric("nodelog_dropped_bytes_total", reason="stop") == len(b"unfinished")
    assert harness.metric("nodelog_connections_closed_total", reason="stop") == 1


async def test_unread_data_is_read_before_the_reset(harness: ReaderHarness) -> None:
    client = harness.connect()
    harness.reader.pause()
    client.sendall(b"%s\n" % (b"w" * 99) * 3000 + b"unfinished")
    await drain(harness.reader, harness.clients, 0)
    assert harness.written == b"%s\n" % (b"w" * 99) * 3000
    with pytest.raises(GONE_ERRORS):
        client.sendall(b"goes nowhere\n")


async def test_a_client_that_closed_while_reading_was_paused_loses_nothing(harness: ReaderHarness) -> None:
    client = harness.connect()
    harness.reader.pause()
    client.sendall(b"one\nlast")
    client.close()
    await drain(harness.reader, harness.clients, 0)
    assert harness.written == b"one\nlast\n"


async def test_a_connection_that_its_client_has_just_reset_is_handled(harness: ReaderHarness) -> None:
    client, other = harness.connect(), harness.connect()
    harness.reader.pause()
    client.sendall(b"whole\nhalf")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    other.sendall(b"other\n")
    await drain(harness.reader, harness.clients, 0)
    assert sorted(harness.written.splitlines()) == [b"other", b"whole"]


async def test_when_the_time_is_up_all_connections_are_reset(harness: ReaderHarness) -> None:
    harness.is_stuck = True
    clients = [harness.connect() for _ in range(3)]
    harness.reader.pause()
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        client.sendall(b"%s\n" % (b"m" * 99) * 12_000)
    end = asyncio.ensure_future(drain(harness.reader, harness.clients, 0))
    await until(lambda: len(harness.batches) == 1)
    end.cancel()
    with pytest.raises(asyncio.CancelledError):
        await end
    for client in clients:
        with pytest.raises(GONE_ERRORS):
            client.sendall(b"goes nowhere\n")


async def test_frames_that_were_read_are_acknowledged_and_later_ones_are_not(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness, (STREAM, 1))
    harness.is_stuck = True
    relp.send(b"taken\n")
    await until(lambda: harness.has_held_arenas)
    end = asyncio.ensure_future(drain(harness.reader, harness.clients, LONG))
    await asyncio.sleep(0)
    relp.send(b"not taken\n")
    harness.is_stuck = False
    harness.release()
    await until(lambda: relp.is_ended)
    assert relp.ended == "closed"
    assert relp.events[1:] == [Acked(), ServerClosing()]
    relp.sock.close()
    await end
    assert harness.written == b"taken\n"


async def test_unsent_acks_are_sent_before_the_fin(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness)
    sent = await pile_up_acks(harness, relp)
    end = asyncio.ensure_future(drain(harness.reader, harness.clients, LONG))
    await asyncio.sleep(0)
    relp.send(b"unread\n")  # with it, close() alone would send a reset
    await until(lambda: relp.is_ended)
    assert relp.ended == "closed"
    assert relp.received(Acked(), sent)
    assert relp.received(ServerClosing())
    relp.sock.close()
    await end


async def test_it_waits_for_a_relp_peer_that_stays_no_longer_than_the_linger(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness)
    await drain(harness.reader, harness.clients, 0.05)
    assert relp.received(ServerClosing())
    assert harness.metric("nodelog_connections_closed_total", reason="stop") == 1


async def test_a_connection_detected_as_relp_during_the_drain_is_closed(
    harness: ReaderHarness,
) -> None:
    old = await open_peer(harness, (STREAM, 1))
    undecided = harness.connect_undecided()
    end = asyncio.ensure_future(drain(harness.reader, harness.clients, LONG))
    await until(lambda: old.is_ended)
    undecided.sendall(ClientSession(stream=(STREAM, 1), name=None).hello())
    await until(harness.connections.all_closed.is_set)
    old.sock.close()
    await end
    assert harness.written == b""


async def test_with_a_stuck_disk_the_drain_times_out_and_nothing_is_acknowledged(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness)
    harness.is_stuck = True
    relp.send(b"one\n")
    await until(lambda: harness.has_held_arenas)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await drain(harness.reader, harness.clients, LONG)
    await until(lambda: relp.is_ended)
    assert not relp.received(Acked())
    harness.is_stuck = False
    harness.release()
    await asyncio.sleep(0)


GONE_ERRORS = (ConnectionResetError, BrokenPipeError)
