from __future__ import annotations

from tests.daemons.collector.reader_harness import ReaderHarness, is_reset, until
from tests.daemons.collector.relp_peer import RelpPeer, all_bytes_accounted, open_peer

from nodelog.wire.client_session import Acked, Welcome


async def test_a_closed_connection_is_reported(harness: ReaderHarness) -> None:
    closed: list[int] = []
    harness.connections.on_closed = lambda: closed.append(len(harness.connections))
    harness.connect().close()
    await until(lambda: closed == [0])


async def test_connections_still_open_at_the_end_are_reset(harness: ReaderHarness) -> None:
    client = harness.connect()
    harness.reader.stop()
    harness.connections.close_all()
    assert is_reset(client)


STREAM = b"stream number 1."


async def test_a_new_connection_of_a_stream_closes_the_old_one_and_drops_its_unread_data(
    harness: ReaderHarness,
) -> None:
    old = await open_peer(harness, (STREAM, 1))
    old.send(b"taken\n")
    await until(lambda: old.received(Acked()))
    old.sock.send(b"3 lines 100 unfinished")
    await until(lambda: harness.reader.held_bytes > 0)
    harness.reader.pause()
    old.send(b"never read\n")
    new = RelpPeer(harness, (STREAM, 1))
    harness.acks.send()
    # Both are readable now. The old one is older and would be read first, so stop watching it.
    (connection,) = [c for c in harness.connections if c.unfinished]
    harness.connections.epoll.modify(connection.sock.fileno(), 0)
    harness.reader.resume()
    await until(lambda: new.is_open)
    assert old.is_ended
    assert harness.written == b"taken\n"
    assert harness.metric("nodelog_connections_closed_total", reason="replaced") == 1
    (welcome,) = new.events
    assert isinstance(welcome, Welcome)
    assert welcome.durable == 1
    assert all_bytes_accounted(harness)


async def test_the_response_to_open_waits_for_what_the_old_connection_had_sent(
    harness: ReaderHarness,
) -> None:
    old = await open_peer(harness, (STREAM, 1))
    harness.is_stuck = True
    old.send(b"one\n")
    await until(lambda: harness.has_held_arenas)
    new = RelpPeer(harness, (STREAM, 1))
    await until(lambda: old.is_ended)
    assert not new.is_open
    harness.is_stuck = False
    harness.release()
    await until(lambda: new.is_open)
    assert isinstance(new.events[0], Welcome)
    assert new.events[0].durable == 1
    assert harness.fences[-1]
