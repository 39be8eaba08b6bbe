from __future__ import annotations

import asyncio
import socket

import pytest
from tests.daemons.collector.relp_peer import opened, stuffed
from tests.daemons.collector.wired import Wired, until

from nodelog.wire.client_session import Acked, ClientSession, ServerClosing
from nodelogd.collector.network.drain import drain

LONG = 60.0  # seconds; longer than a test has patience
STREAM = b"stream number 1."


def is_told(client: socket.socket) -> bool:
    """Say whether the collector has ended its side."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        client.setblocking(True)


async def test_without_connections_it_is_over_at_once(wired: Wired) -> None:
    await drain(wired.reader, wired.clients, LONG)


async def test_it_is_over_when_the_last_one_has_left(wired: Wired) -> None:
    clients = [wired.connect() for _ in range(3)]
    end = asyncio.ensure_future(drain(wired.reader, wired.clients, LONG))
    for client in clients:
        await until(lambda told=client: is_told(told))  # type: ignore[misc]
        client.sendall(b"last words")
        client.close()
    await end
    assert wired.written == b"last words\n" * 3
    assert wired.count("nodelog_connections_closed_total", reason="end of stream") == 3


async def test_who_stays_is_read_during_the_linger_then_reset(wired: Wired) -> None:
    client = wired.connect()
    end = asyncio.ensure_future(drain(wired.reader, wired.clients, 0.2))
    await until(lambda: is_told(client))
    client.sendall(b"still taken\n")
    await until(lambda: wired.written == b"still taken\n")
    client.sendall(b"unfinished")
    await end
    with pytest.raises(GONE_ERRORS):
        client.sendall(b"goes nowhere\n")
    assert wired.written == b"still taken\n"
    assert wired.count("nodelog_dropped_bytes_total", reason="stop") == len(b"unfinished")
    assert wired.count("nodelog_connections_closed_total", reason="stop") == 1


async def test_what_was_not_read_yet_is_read_before_the_reset(wired: Wired) -> None:
    client = wired.connect()
    wired.reader.pause()
    client.sendall(b"%s\n" % (b"w" * 99) * 3000 + b"unfinished")
    await drain(wired.reader, wired.clients, 0)
    assert wired.written == b"%s\n" % (b"w" * 99) * 3000
    with pytest.raises(GONE_ERRORS):
        client.sendall(b"goes nowhere\n")


async def test_who_left_while_nothing_was_read_loses_nothing_either(wired: Wired) -> None:
    client = wired.connect()
    wired.reader.pause()
    client.sendall(b"one\nlast")
    client.close()
    await drain(wired.reader, wired.clients, 0)
    assert wired.written == b"one\nlast\n"


async def test_who_reset_the_connection_a_moment_ago_is_no_trouble(wired: Wired) -> None:
    client, other = wired.connect(), wired.connect()
    wired.reader.pause()
    client.sendall(b"whole\nhalf")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    other.sendall(b"other\n")
    await drain(wired.reader, wired.clients, 0)
    assert sorted(wired.written.splitlines()) == [b"other", b"whole"]


async def test_out_of_time_everybody_is_reset_all_the_same(wired: Wired) -> None:
    wired.stuck = True
    clients = [wired.connect() for _ in range(3)]
    wired.reader.pause()
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        client.sendall(b"%s\n" % (b"m" * 99) * 12_000)
    end = asyncio.ensure_future(drain(wired.reader, wired.clients, 0))
    await until(lambda: len(wired.batches) == 1)
    end.cancel()
    with pytest.raises(asyncio.CancelledError):
        await end
    for client in clients:
        with pytest.raises(GONE_ERRORS):
            client.sendall(b"goes nowhere\n")


async def test_at_the_end_what_was_taken_is_answered_and_what_was_not_comes_again(wired: Wired) -> None:
    relp = await opened(wired, (STREAM, 1))
    wired.stuck = True
    relp.send(b"taken\n")
    await until(lambda: wired.keeps)
    end = asyncio.ensure_future(drain(wired.reader, wired.clients, LONG))
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
    end = asyncio.ensure_future(drain(wired.reader, wired.clients, LONG))
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
    await drain(wired.reader, wired.clients, 0.05)
    assert relp.has(ServerClosing())
    assert wired.count("nodelog_connections_closed_total", reason="stop") == 1


async def test_who_turns_out_to_speak_relp_at_the_end_is_closed_and_harms_nobody(wired: Wired) -> None:
    old = await opened(wired, (STREAM, 1))
    undecided = wired.connect_undecided()
    end = asyncio.ensure_future(drain(wired.reader, wired.clients, LONG))
    await until(lambda: old.is_ended)
    undecided.sendall(ClientSession(stream=(STREAM, 1), name=None).hello())
    await until(wired.connections.all_closed.is_set)
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
            await drain(wired.reader, wired.clients, LONG)
    await until(lambda: relp.is_ended)
    assert not relp.has(Acked())
    wired.stuck = False
    wired.give_back()
    await asyncio.sleep(0)


GONE_ERRORS = (ConnectionResetError, BrokenPipeError)
