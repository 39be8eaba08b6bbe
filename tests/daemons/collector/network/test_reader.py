from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from tests.daemons.collector.reader_harness import ReaderHarness, reset, until
from tests.daemons.collector.relp_peer import all_bytes_accounted, open_peer

from nodelog.wire.client_session import Acked
from nodelogd.collector.pipeline.arena import ARENA_SIZE

if TYPE_CHECKING:
    import pytest


async def test_lines_of_all_connections_arrive_whole_and_in_order(harness: ReaderHarness) -> None:
    clients = [harness.connect() for _ in range(20)]
    for number in range(100):
        for name, client in enumerate(clients):
            client.sendall(b"%d %d\n" % (name, number))
    await until(lambda: harness.written.count(b"\n") == 2000)
    for name in range(20):
        own = [line for line in harness.written.splitlines() if line.startswith(b"%d " % name)]
        assert own == [b"%d %d" % (name, number) for number in range(100)]


async def test_everything_read_in_one_turn_is_one_batch(harness: ReaderHarness) -> None:
    clients = [harness.connect() for _ in range(20)]
    for client in clients:
        client.sendall(b"hello\n")
    await until(lambda: len(harness.written) == 120)
    assert harness.batches == [b"hello\n" * 20]


async def test_the_end_of_a_stream_ends_its_last_line_and_closes_the_connection(
    harness: ReaderHarness,
) -> None:
    client = harness.connect()
    client.sendall(b"one\nlast")
    client.shutdown(socket.SHUT_WR)
    await harness.all_closed()
    assert harness.written == b"one\nlast\n"
    assert client.recv(1) == b""
    assert harness.reader.held_bytes == 0
    assert harness.metric("nodelog_connections_closed_total", reason="end of stream") == 1


async def test_a_reset_drops_the_unfinished_line_of_its_connection_only(harness: ReaderHarness) -> None:
    client, other = harness.connect(), harness.connect()
    other.sendall(b"oth")
    client.sendall(b"one\nhalf")
    await until(lambda: harness.metric("nodelog_received_bytes_total") == 11)
    reset(client)
    await until(lambda: len(harness.connections) == 1)
    other.sendall(b"er\n")
    await until(lambda: harness.written == b"one\nother\n")
    assert harness.reader.held_bytes == 0
    assert harness.metric("nodelog_dropped_bytes_total", reason="reset") == 4
    assert harness.metric("nodelog_connections_closed_total", reason="reset") == 1


async def test_held_bytes_are_those_received_and_not_handed_to_the_writer(harness: ReaderHarness) -> None:
    client = harness.connect()
    client.sendall(b"one\n" + b"u" * 40_000)
    await until(lambda: harness.metric("nodelog_received_bytes_total") == 40_004)
    assert harness.reader.held_bytes == 40_000
    client.sendall(b"\n")
    await until(lambda: len(harness.written) == 40_005)
    assert harness.reader.held_bytes == 0


async def test_reading_stops_when_the_writer_has_both_arenas_and_nothing_is_lost(
    harness: ReaderHarness,
) -> None:
    client = harness.connect()
    client.setblocking(False)
    harness.is_stuck = True
    sent, line = 0, b"%s\n" % (b"s" * 9999)

    def send() -> bool:
        """Send until the kernel accepts nothing more; return True if reading is paused by then."""
        nonlocal sent
        try:
            while True:
                sent += client.send(line[sent % len(line) :])
        except BlockingIOError:
            return harness.reader.is_paused

    await until(send)
    assert harness.reader.held_bytes < ARENA_SIZE + harness.limits.headroom
    harness.reader.count_pause()
    assert harness.metric("nodelog_paused_seconds_total") > 0
    harness.is_stuck = False
    harness.release()
    await until(lambda: harness.metric("nodelog_received_bytes_total") == sent)
    client.close()
    await harness.all_closed()
    assert bytes(harness.written) == (line * (sent // len(line) + 1))[:sent].removesuffix(b"\n") + b"\n"


async def test_a_slow_writer_gets_larger_batches_while_reading_continues(harness: ReaderHarness) -> None:
    client = harness.connect()
    harness.is_stuck = True
    for number in range(5):
        client.sendall(b"%d\n" % number)
        await until(lambda count=number: harness.metric("nodelog_received_bytes_total") == 2 * (count + 1))  # type: ignore[misc]
    assert harness.batches == [b"0\n"]
    harness.release()
    await until(lambda: harness.batches == [b"0\n", b"1\n2\n3\n4\n"])


async def test_the_rest_of_a_detached_connection_is_written_except_for_its_unfinished_line(
    harness: ReaderHarness,
) -> None:
    client = harness.connect()
    client.sendall(b"one\ntw")
    await until(lambda: harness.reader.held_bytes == 2)
    harness.reader.stop()
    (detached,) = harness.connections.detach_lines()
    await harness.reader.drain_detached(detached, b"o\nthr", at_eof=False)
    await harness.reader.flush()
    assert harness.written == b"one\ntwo\n"
    assert harness.reader.held_bytes == 0
    assert harness.metric("nodelog_dropped_lines_total", reason="stop") == 1
    assert harness.metric("nodelog_dropped_bytes_total", reason="stop") == 3
    assert harness.metric("nodelog_connections_closed_total", reason="stop") == 1


async def test_at_eof_the_last_line_of_a_detached_connection_is_written_too(harness: ReaderHarness) -> None:
    harness.connect()
    harness.reader.stop()
    (detached,) = harness.connections.detach_lines()
    await harness.reader.drain_detached(detached, b"one\nlast", at_eof=True)
    await harness.reader.flush()
    assert harness.written == b"one\nlast\n"
    assert harness.metric("nodelog_dropped_lines_total", reason="stop") == 0


async def test_draining_a_detached_connection_waits_for_the_writer(harness: ReaderHarness) -> None:
    harness.connect()
    harness.reader.stop()
    (detached,) = harness.connections.detach_lines()
    harness.is_stuck = True
    rest = asyncio.ensure_future(
        harness.reader.drain_detached(detached, b"%s\n" % (b"r" * 999) * 8000, at_eof=False)
    )
    while not rest.done():
        await until(lambda: harness.has_held_arenas or rest.done())
        harness.release(1)
    harness.is_stuck = False
    harness.release()
    await harness.reader.flush()
    assert harness.written == b"%s\n" % (b"r" * 999) * 8000


async def test_blocks_among_lines_arrive_whole_and_are_acknowledged(harness: ReaderHarness) -> None:
    relp, lines = await open_peer(harness), harness.connect()
    for number in range(50):
        relp.send(b"block %d\n" % number * 100)
        lines.sendall(b"line %d\n" % number * 100)
        await until(lambda count=number: relp.received(Acked(), count + 1))  # type: ignore[misc]
    await until(lambda: harness.written.count(b"\n") == 10_000)
    assert all(line.startswith((b"block ", b"line ")) for line in harness.written.splitlines())
    assert all_bytes_accounted(harness)


async def test_a_block_that_is_too_large_closes_its_connection_before_it_is_buffered(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness)
    relp.send(b"good\n")
    relp.sock.send(b"3 lines %d " % (harness.limits.max_data + 1) + b"x" * 1000)
    await until(lambda: relp.is_ended)
    await harness.all_closed()
    assert harness.written == b"good\n"
    assert harness.reader.held_bytes == 0
    assert all_bytes_accounted(harness)


async def test_an_incomplete_frame_at_the_end_of_the_stream_is_dropped_and_counted(
    harness: ReaderHarness,
) -> None:
    relp = await open_peer(harness)
    relp.send(b"whole\n")
    relp.sock.send(b"3 lines 100 half")
    relp.sock.close()
    await harness.all_closed()
    assert harness.written == b"whole\n"
    assert harness.metric("nodelog_dropped_bytes_total", reason="end of stream") == len(b"3 lines 100 half")
    assert harness.reader.held_bytes == 0
    assert all_bytes_accounted(harness)


async def test_the_first_lines_of_connections_and_their_ends_do_not_count_towards_a_nap(
    harness: ReaderHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(harness.connections.pacing, "nap_after", lambda reads, _: counted.append(reads))
    clients = [harness.connect_undecided() for _ in range(10)]
    for client in clients:
        client.sendall(b"first\n")
    await until(lambda: harness.reader.held_bytes + len(harness.written) == 10 * len(b"first\n"))
    assert sum(counted) == 0
    clients[0].sendall(b"second\n")
    await until(lambda: sum(counted) == 1)
    for client in clients:
        client.close()
    await harness.all_closed()
    assert sum(counted) == 1
