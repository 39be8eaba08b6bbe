from __future__ import annotations

from typing import TYPE_CHECKING

from tests.daemons.collector.relp_peer import accounted, opened
from tests.daemons.collector.wired import Wired, is_reset, reset, until

from nodelog.wire.client_session import Acked, ServerClosing
from nodelogd.collector.network import relp_clients as clients_module
from nodelogd.collector.network.idle_timeout import close_idle, close_unopened

if TYPE_CHECKING:
    import pytest


async def test_an_idle_connection_is_reset_and_the_line_it_was_in_is_dropped_and_counted(
    wired: Wired,
) -> None:
    idle, active = wired.connect(), wired.connect()
    idle.sendall(b"one\nunfinished")
    active.sendall(b"two\n")
    await until(lambda: len(wired.written) == 8)
    for connection in wired.connections:
        connection.last_read -= 100 * (connection.unfinished > 0)
    close_idle(wired.reader, 50)
    await wired.reader.flush()
    assert b"unfinished" not in wired.written
    assert wired.count("nodelog_dropped_lines_total", reason="idle") == 1
    assert wired.count("nodelog_connections_closed_total", reason="idle") == 1
    assert is_reset(idle)
    active.sendall(b"three\n")
    await until(lambda: wired.written.endswith(b"three\n"))


async def test_a_connection_with_something_to_read_is_not_idle(wired: Wired) -> None:
    clients = [wired.connect() for _ in range(3)]
    clients[0].sendall(b"late\n")
    clients[1].close()
    reset(clients[2])
    close_idle(wired.reader, -1)
    await until(lambda: len(wired.connections) == 1)
    await until(lambda: wired.written == b"late\n")
    assert wired.count("nodelog_connections_closed_total", reason="idle") == 0


async def test_nobody_is_idle_while_nobody_is_read(wired: Wired) -> None:
    wired.connect()
    wired.reader.pause()
    close_idle(wired.reader, -1)
    assert len(wired.connections) == 1


async def test_who_does_not_say_in_time_what_it_wants_is_closed(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, late, reading = await opened(wired), wired.connect_undecided(), wired.connect_undecided()
    late.sendall(b"1 open 100 relp_version=0\n")
    reading.sendall(b"1 open 100 relp_version=0\n")
    await until(lambda: wired.reader.held_bytes == 52)
    monkeypatch.setattr(clients_module, "OPEN_TIMEOUT", -1.0)
    reading.sendall(b"command")  # it has something to be read, and is judged later
    close_unopened(wired.reader, wired.clients)
    assert wired.count("nodelog_connections_closed_total", reason="no open") == 1
    good.send(b"good\n")
    await until(lambda: good.has(Acked()))
    await until(lambda: wired.reader.held_bytes == 33)
    close_unopened(wired.reader, wired.clients)
    assert wired.count("nodelog_connections_closed_total", reason="no open") == 2
    assert accounted(wired)


async def test_who_waits_for_an_answer_is_not_idle_and_who_is_is_told(wired: Wired) -> None:
    waiting, idle = await opened(wired), await opened(wired)
    wired.stuck = True
    waiting.send(b"one\n")
    await until(lambda: wired.keeps)
    close_idle(wired.reader, -1)
    await until(lambda: idle.is_ended)
    assert (idle.ended, idle.has(ServerClosing())) == ("closed", True)
    wired.stuck = False
    wired.give_back()
    await until(lambda: waiting.has(Acked()))
