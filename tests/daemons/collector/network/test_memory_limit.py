"""More unfinished lines and frames than the memory limit allows."""

from __future__ import annotations

from tests.daemons.collector.reader_harness import ReaderHarness, until
from tests.daemons.collector.relp_peer import all_bytes_accounted, open_peer

from nodelog.wire.client_session import Acked, ServerClosing
from nodelogd.collector.network.line_connection import READ_SIZE
from nodelogd.collector.pipeline.arena import ARENA_SIZE

KIB = 1024


async def test_beyond_the_limit_the_longest_unfinished_lines_are_split_and_reading_continues(
    harness: ReaderHarness,
) -> None:
    short, *long = [harness.connect() for _ in range(8)]
    short.sendall(b"short")
    for client in long:
        client.sendall(b"l" * 60 * KIB)
    await until(lambda: harness.metric("nodelog_received_bytes_total") == 7 * 60 * KIB + 5)
    assert harness.reader.held_bytes <= 256 * KIB
    splits = harness.metric("nodelog_split_lines_total", reason="buffer")
    assert splits > 0
    assert harness.written == (b"l" * 60 * KIB + b"\n") * (len(harness.written) // (60 * KIB))
    short.sendall(b" line\n")
    for client in long:
        client.sendall(b"end\n")
    await until(lambda: harness.written.count(b"end\n") == 7)
    assert harness.written.replace(b"short line\n", b"").count(b"l") == 7 * 60 * KIB
    assert harness.reader.held_bytes == 0


async def test_unfinished_lines_are_bounded_even_if_the_writer_is_slow(harness: ReaderHarness) -> None:
    harness.is_stuck = True
    clients = [harness.connect() for _ in range(60)]
    for client in clients:
        client.sendall(b"l" * 100 * KIB)
    while (received := harness.metric("nodelog_received_bytes_total")) < 60 * 100 * KIB:
        assert received <= len(harness.written) + harness.reader.held_bytes
        harness.release(1)
        await until(
            lambda: (
                harness.reader.is_paused or harness.metric("nodelog_received_bytes_total") == 60 * 100 * KIB
            )
        )
    harness.is_stuck = False
    harness.release()
    for client in clients:
        client.close()
    await harness.all_closed()
    assert harness.written.count(b"l") == 60 * 100 * KIB
    assert harness.most_held <= 256 * KIB + READ_SIZE + ARENA_SIZE + 100 * KIB


async def test_beyond_the_limit_connections_with_long_frames_get_a_serverclose(
    harness: ReaderHarness,
) -> None:
    peers = [await open_peer(harness) for _ in range(8)]
    frames = [b"".join(map(bytes, peer.session.block(b"x" * 59_999 + b"\n"))) for peer in peers]
    for number, peer in enumerate(peers):
        peer.sock.send(frames[number][: 40_000 + 100 * number])
    await until(lambda: harness.metric("nodelog_connections_closed_total", reason="buffer") > 0)
    await until(lambda: harness.reader.held_bytes <= 256 * KIB)
    closed = int(harness.metric("nodelog_connections_closed_total", reason="buffer"))
    await until(lambda: sum(peer.is_ended for peer in peers) == closed)
    assert closed < 8
    assert all(ServerClosing() in peer.events for peer in peers if peer.is_ended and peer.ended == "closed")
    for number, peer in enumerate(peers):
        if not peer.is_ended:
            peer.sock.send(frames[number][40_000 + 100 * number :])
            await until(lambda one=peer: one.received(Acked()))  # type: ignore[misc]
    assert len(harness.written) == 60_000 * (8 - closed)
    assert all_bytes_accounted(harness)
