from __future__ import annotations

import asyncio
import socket

from tests.daemons.collector.relp_peer import accounted, opened
from tests.daemons.collector.wired import Wired, reset, until

from nodelog.wire.client_session import Acked
from nodelogd.collector.pipeline.arena import ARENA_SIZE


async def test_lines_of_all_connections_arrive_whole_and_in_order(wired: Wired) -> None:
    clients = [wired.connect() for _ in range(20)]
    for number in range(100):
        for name, client in enumerate(clients):
            client.sendall(b"%d %d\n" % (name, number))
    await until(lambda: wired.written.count(b"\n") == 2000)
    for name in range(20):
        own = [line for line in wired.written.splitlines() if line.startswith(b"%d " % name)]
        assert own == [b"%d %d" % (name, number) for number in range(100)]


async def test_what_a_turn_brought_is_one_batch(wired: Wired) -> None:
    clients = [wired.connect() for _ in range(20)]
    for client in clients:
        client.sendall(b"hello\n")
    await until(lambda: len(wired.written) == 120)
    assert wired.batches == [b"hello\n" * 20]


async def test_the_end_of_a_stream_ends_its_last_line_and_the_connection(wired: Wired) -> None:
    client = wired.connect()
    client.sendall(b"one\nlast")
    client.shutdown(socket.SHUT_WR)
    await wired.all_closed()
    assert wired.written == b"one\nlast\n"
    assert client.recv(1) == b""
    assert wired.reader.held_bytes == 0
    assert wired.count("nodelog_connections_closed_total", reason="end of stream") == 1


async def test_a_reset_drops_the_line_it_came_in_the_middle_of_and_no_other(wired: Wired) -> None:
    client, other = wired.connect(), wired.connect()
    other.sendall(b"oth")
    client.sendall(b"one\nhalf")
    await until(lambda: wired.count("nodelog_received_bytes_total") == 11)
    reset(client)
    await until(lambda: len(wired.connections) == 1)
    other.sendall(b"er\n")
    await until(lambda: wired.written == b"one\nother\n")
    assert wired.reader.held_bytes == 0
    assert wired.count("nodelog_dropped_bytes_total", reason="reset") == 4
    assert wired.count("nodelog_connections_closed_total", reason="reset") == 1


async def test_what_is_held_is_what_was_received_and_not_given_to_the_writer(wired: Wired) -> None:
    client = wired.connect()
    client.sendall(b"one\n" + b"u" * 40_000)
    await until(lambda: wired.count("nodelog_received_bytes_total") == 40_004)
    assert wired.reader.held_bytes == 40_000
    client.sendall(b"\n")
    await until(lambda: len(wired.written) == 40_005)
    assert wired.reader.held_bytes == 0


async def test_reading_stops_when_the_writer_has_both_arenas_and_nothing_is_lost(wired: Wired) -> None:
    client = wired.connect()
    client.setblocking(False)
    wired.stuck = True
    sent, line = 0, b"%s\n" % (b"s" * 9999)

    def send() -> bool:
        """Send until the kernel takes nothing more."""
        nonlocal sent
        try:
            while True:
                sent += client.send(line[sent % len(line) :])
        except BlockingIOError:
            return wired.paused

    await until(send)
    assert wired.reader.held_bytes < ARENA_SIZE + wired.limits.headroom
    wired.reader.count_pause()
    assert wired.count("nodelog_paused_seconds_total") > 0
    wired.stuck = False
    wired.give_back()
    await until(lambda: wired.count("nodelog_received_bytes_total") == sent)
    client.close()
    await wired.all_closed()
    assert bytes(wired.written) == (line * (sent // len(line) + 1))[:sent].removesuffix(b"\n") + b"\n"


async def test_a_slow_writer_gets_larger_batches_while_reading_goes_on(wired: Wired) -> None:
    client = wired.connect()
    wired.stuck = True
    for number in range(5):
        client.sendall(b"%d\n" % number)
        await until(lambda count=number: wired.count("nodelog_received_bytes_total") == 2 * (count + 1))  # type: ignore[misc]
    assert wired.batches == [b"0\n"]
    wired.give_back()
    await until(lambda: wired.batches == [b"0\n", b"1\n2\n3\n4\n"])


async def test_what_is_left_of_a_connection_is_taken_but_for_the_line_it_is_in_the_middle_of(
    wired: Wired,
) -> None:
    client = wired.connect()
    client.sendall(b"one\ntw")
    await until(lambda: wired.reader.held_bytes == 2)
    wired.reader.stop()
    (late,) = wired.connections.detach_lines()
    await wired.reader.drain_detached(late, b"o\nthr", at_eof=False)
    await wired.reader.flush()
    assert wired.written == b"one\ntwo\n"
    assert wired.reader.held_bytes == 0
    assert wired.count("nodelog_dropped_lines_total", reason="stop") == 1
    assert wired.count("nodelog_dropped_bytes_total", reason="stop") == 3
    assert wired.count("nodelog_connections_closed_total", reason="stop") == 1


async def test_the_last_line_of_a_connection_that_had_ended_is_taken_too(wired: Wired) -> None:
    wired.connect()
    wired.reader.stop()
    (late,) = wired.connections.detach_lines()
    await wired.reader.drain_detached(late, b"one\nlast", at_eof=True)
    await wired.reader.flush()
    assert wired.written == b"one\nlast\n"
    assert wired.count("nodelog_dropped_lines_total", reason="stop") == 0


async def test_the_rest_of_a_connection_waits_for_the_writer(wired: Wired) -> None:
    wired.connect()
    wired.reader.stop()
    (late,) = wired.connections.detach_lines()
    wired.stuck = True
    rest = asyncio.ensure_future(
        wired.reader.drain_detached(late, b"%s\n" % (b"r" * 999) * 8000, at_eof=False)
    )
    while not rest.done():
        await until(lambda: wired.keeps or rest.done())
        wired.give_back(1)
    wired.stuck = False
    wired.give_back()
    await wired.reader.flush()
    assert wired.written == b"%s\n" % (b"r" * 999) * 8000


async def test_blocks_among_lines_arrive_whole_and_are_answered(wired: Wired) -> None:
    relp, lines = await opened(wired), wired.connect()
    for number in range(50):
        relp.send(b"block %d\n" % number * 100)
        lines.sendall(b"line %d\n" % number * 100)
        await until(lambda count=number: relp.has(Acked(), count + 1))  # type: ignore[misc]
    await until(lambda: wired.written.count(b"\n") == 10_000)
    assert all(line.startswith((b"block ", b"line ")) for line in wired.written.splitlines())
    assert accounted(wired)


async def test_a_block_that_is_too_large_ends_its_connection_before_it_is_kept(wired: Wired) -> None:
    relp = await opened(wired)
    relp.send(b"good\n")
    relp.sock.send(b"3 lines %d " % (wired.limits.max_data + 1) + b"x" * 1000)
    await until(lambda: relp.is_ended)
    await wired.all_closed()
    assert wired.written == b"good\n"
    assert wired.reader.held_bytes == 0
    assert accounted(wired)


async def test_a_half_frame_at_the_end_of_the_stream_is_dropped_and_counted(wired: Wired) -> None:
    relp = await opened(wired)
    relp.send(b"whole\n")
    relp.sock.send(b"3 lines 100 half")
    relp.sock.close()
    await wired.all_closed()
    assert wired.written == b"whole\n"
    assert wired.count("nodelog_dropped_bytes_total", reason="end of stream") == len(b"3 lines 100 half")
    assert wired.reader.held_bytes == 0
    assert accounted(wired)
