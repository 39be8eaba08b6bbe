from __future__ import annotations

from tests.daemons.collector.relp_peer import Peer, accounted, opened
from tests.daemons.collector.wired import Wired, is_reset, until

from nodelog.wire.client_session import Acked, Welcome


async def test_a_connection_that_ended_is_reported(wired: Wired) -> None:
    closed: list[int] = []
    wired.connections.on_closed = lambda: closed.append(len(wired.connections))
    wired.connect().close()
    await until(lambda: closed == [0])


async def test_who_is_left_at_the_end_is_reset(wired: Wired) -> None:
    client = wired.connect()
    wired.reader.stop()
    wired.connections.close_all()
    assert is_reset(client)


STREAM = b"stream number 1."


async def test_a_new_connection_of_a_stream_closes_the_old_one_and_what_is_unread_there_is_dropped(
    wired: Wired,
) -> None:
    old = await opened(wired, (STREAM, 1))
    old.send(b"taken\n")
    await until(lambda: old.has(Acked()))
    old.sock.send(b"3 lines 100 unfinished")
    await until(lambda: wired.reader.held_bytes > 0)
    wired.reader.pause()
    old.send(b"never read\n")
    new = Peer(wired, (STREAM, 1))
    wired.acks.send()
    # Both are readable now; the old one is looked at first, as it came first, so take what it sent away.
    (connection,) = [c for c in wired.connections if c.unfinished]
    wired.connections.epoll.modify(connection.sock.fileno(), 0)
    wired.reader.resume()
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
