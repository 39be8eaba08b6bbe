from __future__ import annotations

from typing import TYPE_CHECKING

from tests.daemons.collector.reader_harness import ReaderHarness, is_reset, reset, until
from tests.daemons.collector.relp_peer import all_bytes_accounted, open_peer

from nodelog.wire.client_session import Acked, ServerClosing
from nodelogd.collector.network import relp_clients as clients_module
from nodelogd.collector.network.timeouts.idle_timeout import close_idle, close_unopened

if TYPE_CHECKING:
    import pytest


async def test_an_idle_connection_is_reset_and_its_unfinished_line_is_dropped_and_counted(
    harness: ReaderHarness,
) -> None:
    idle, active = harness.connect(), harness.connect()
    idle.sendall(b"one\nunfinished")
    active.sendall(b"two\n")
    await until(lambda: len(harness.written) == 8)
    for connection in harness.connections:
        connection.last_read -= 100 * (connection.unfinished > 0)
    close_idle(harness.reader, 50)
    await harness.reader.flush()
    assert b"unfinished" not in harness.written
    assert harness.metric("nodelog_dropped_lines_total", reason="idle") == 1
    assert harness.metric("nodelog_connections_closed_total", reason="idle") == 1
    assert is_reset(idle)
    active.sendall(b"three\n")
    await until(lambda: harness.written.endswith(b"three\n"))


async def test_a_connection_with_something_to_read_is_not_idle(harness: ReaderHarness) -> None:
    clients = [harness.connect() for _ in range(3)]
    clients[0].sendall(b"late\n")
    clients[1].close()
    reset(clients[2])
    close_idle(harness.reader, -1)
    await until(lambda: len(harness.connections) == 1)
    await until(lambda: harness.written == b"late\n")
    assert harness.metric("nodelog_connections_closed_total", reason="idle") == 0


async def test_no_connection_is_idle_while_reading_is_paused(harness: ReaderHarness) -> None:
    harness.connect()
    harness.reader.pause()
    close_idle(harness.reader, -1)
    assert len(harness.connections) == 1


async def test_a_relp_connection_without_an_open_in_time_is_closed(
    harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await open_peer(harness)
    late, readable = harness.connect_undecided(), harness.connect_undecided()
    late.sendall(b"1 open 100 relp_version=0\n")
    readable.sendall(b"1 open 100 relp_version=0\n")
    await until(lambda: harness.reader.held_bytes == 52)
    monkeypatch.setattr(clients_module, "OPEN_TIMEOUT", -1.0)
    readable.sendall(b"command")  # it has something to read, so it is checked later
    close_unopened(harness.reader, harness.clients)
    assert harness.metric("nodelog_connections_closed_total", reason="no open") == 1
    opened.send(b"good\n")
    await until(lambda: opened.received(Acked()))
    await until(lambda: harness.reader.held_bytes == 33)
    close_unopened(harness.reader, harness.clients)
    assert harness.metric("nodelog_connections_closed_total", reason="no open") == 2
    assert all_bytes_accounted(harness)


async def test_a_client_waiting_for_an_ack_is_not_idle_and_an_idle_one_gets_a_serverclose(
    harness: ReaderHarness,
) -> None:
    waiting, idle = await open_peer(harness), await open_peer(harness)
    harness.is_stuck = True
    waiting.send(b"one\n")
    await until(lambda: harness.has_held_arenas)
    close_idle(harness.reader, -1)
    await until(lambda: idle.is_ended)
    assert (idle.ended, idle.received(ServerClosing())) == ("closed", True)
    harness.is_stuck = False
    harness.release()
    await until(lambda: waiting.received(Acked()))
