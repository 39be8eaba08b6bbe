"""Unfinished lines and frames, more of them than there is memory for."""

from __future__ import annotations

from tests.daemons.collector.relp_peer import accounted, opened
from tests.daemons.collector.wired import Wired, until

from nodelog.wire.client_session import Acked, ServerClosing
from nodelogd.collector.network.line_connection import READ_SIZE
from nodelogd.collector.pipeline.arena import ARENA_SIZE

KIB = 1024


async def test_beyond_their_limit_the_longest_unfinished_lines_are_split_and_reading_goes_on(
    wired: Wired,
) -> None:
    short, *long = [wired.connect() for _ in range(8)]
    short.sendall(b"short")
    for client in long:
        client.sendall(b"l" * 60 * KIB)
    await until(lambda: wired.count("nodelog_received_bytes_total") == 7 * 60 * KIB + 5)
    assert wired.reader.held_bytes <= 256 * KIB
    splits = wired.count("nodelog_split_lines_total", reason="buffer")
    assert splits > 0
    assert wired.written == (b"l" * 60 * KIB + b"\n") * (len(wired.written) // (60 * KIB))
    short.sendall(b" line\n")
    for client in long:
        client.sendall(b"end\n")
    await until(lambda: wired.written.count(b"end\n") == 7)
    assert wired.written.replace(b"short line\n", b"").count(b"l") == 7 * 60 * KIB
    assert wired.reader.held_bytes == 0


async def test_unfinished_lines_are_bounded_even_if_the_writer_is_slow(wired: Wired) -> None:
    wired.stuck = True
    clients = [wired.connect() for _ in range(60)]
    for client in clients:
        client.sendall(b"l" * 100 * KIB)
    while (received := wired.count("nodelog_received_bytes_total")) < 60 * 100 * KIB:
        assert received <= len(wired.written) + wired.reader.held_bytes
        wired.give_back(1)
        await until(lambda: wired.paused or wired.count("nodelog_received_bytes_total") == 60 * 100 * KIB)
    wired.stuck = False
    wired.give_back()
    for client in clients:
        client.close()
    await wired.all_closed()
    assert wired.written.count(b"l") == 60 * 100 * KIB
    assert wired.most_held <= 256 * KIB + READ_SIZE + ARENA_SIZE + 100 * KIB


async def test_beyond_their_memory_the_longest_unfinished_frame_is_closed_and_told_so(wired: Wired) -> None:
    peers = [await opened(wired) for _ in range(8)]
    frames = [b"".join(map(bytes, peer.session.block(b"x" * 59_999 + b"\n"))) for peer in peers]
    for number, peer in enumerate(peers):
        peer.sock.send(frames[number][: 40_000 + 100 * number])
    await until(lambda: wired.count("nodelog_connections_closed_total", reason="buffer") > 0)
    await until(lambda: wired.reader.held_bytes <= 256 * KIB)
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
