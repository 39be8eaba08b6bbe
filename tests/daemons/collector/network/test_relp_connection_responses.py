"""A RELP connection: its responses, when its stream is forgotten, and when it is not read."""

from __future__ import annotations

import socket

from tests.daemons.collector.relp_pair import RelpPair

from nodelog.wire.client_session import Acked, Closed
from nodelogd.collector.network.relp_connection import MAX_UNANSWERED, MAX_UNSENT
from nodelogd.collector.pipeline.arena import MAX_ACKS

STREAM = b"stream number 1."
KIB = 1024


def test_the_welcome_names_the_last_durable_block_and_the_next_block_follows_it() -> None:
    with RelpPair(stream=(STREAM, 3), durable=7) as pair:
        assert pair.open().durable == 7
        pair.send(pair.block(b"eight\n"))
        pair.store()
        assert pair.last_blocks == {STREAM: 8}
        assert pair.fences == 1


def test_an_open_without_a_stream_asks_for_no_fence() -> None:
    with RelpPair() as pair:
        pair.open()
        assert (pair.fences, pair.last_blocks) == (0, {})


def test_a_probe_writes_nothing_and_is_acknowledged_like_a_block() -> None:
    with RelpPair(stream=(STREAM, 1)) as pair:
        pair.open()
        pair.send(pair.block(b"") + pair.block(b"two\n") + pair.block(b""))
        assert pair.responses() == [Acked()] * 3
        assert (pair.written, pair.last_blocks) == (b"two\n", {STREAM: 3})
        pair.assert_accounted()


def test_a_close_with_everything_acknowledged_forgets_the_stream() -> None:
    with RelpPair(stream=(STREAM, 1)) as pair:
        pair.open()
        pair.send(pair.block(b"one\n"))
        assert pair.responses() == [Acked()]
        pair.send(pair.session.close())
        assert pair.relp.owes_response
        assert pair.responses() == [Closed()]
        assert pair.relp.is_done
        pair.relp.release()
        assert pair.forgotten == [STREAM]


def test_a_close_before_the_acks_does_not_forget_the_stream() -> None:
    with RelpPair(stream=(STREAM, 1)) as pair:
        pair.open()
        pair.send(pair.block(b"one\n") + pair.session.close())
        pair.store()  # the acks may be lost, and then the block is sent again
        assert pair.relp.is_done
        pair.relp.release()
        assert pair.forgotten == []


def test_the_end_of_a_connection_without_close_does_not_forget_the_stream() -> None:
    with RelpPair(stream=(STREAM, 1)) as pair:
        pair.open()
        pair.relp.release()
        assert pair.forgotten == []


def test_it_is_not_read_while_1024_frames_are_unanswered() -> None:
    with RelpPair() as pair:
        pair.open()
        pair.send(b"".join(pair.block(b"") for _ in range(MAX_UNANSWERED - 1)))
        reads = [pair.relp.wanted_events]
        pair.send(pair.block(b""))
        reads.append(pair.relp.wanted_events)
        pair.store()
        reads.append(pair.relp.wanted_events)
        assert [bool(wanted_events & 1) for wanted_events in reads] == [True, False, True]


def test_it_is_not_read_while_64_kib_of_responses_are_unsent() -> None:
    with RelpPair() as pair:
        pair.open()
        pair.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while len(pair.relp.unsent) < MAX_UNSENT:
            pair.send(b"".join(pair.block(b"") for _ in range(500)))
            assert bool(pair.relp.wanted_events & 1)
            pair.store()
        assert pair.clients.unsent == len(pair.relp.unsent)
        assert not pair.relp.wanted_events & 1
        while pair.session.unacknowledged:
            pair.session.feed(pair.client.recv(1024 * KIB))
            pair.relp.flush()
        assert (pair.relp.wanted_events, pair.clients.unsent) == (1, 0)


def test_many_probes_fill_an_arena_without_a_byte() -> None:
    with RelpPair() as pair:
        pair.open()
        while not pair.arena.is_full:
            pair.send(b"".join(pair.block(b"") for _ in range(1000)))
        assert (pair.arena.end, sum(pair.arena.receipts.values()) // 1000) == (0, MAX_ACKS // 1000 + 1)
        pair.store()
        assert not pair.arena.is_full


def test_a_peer_that_is_gone_breaks_only_its_own_connection() -> None:
    with RelpPair() as pair:
        pair.open()
        pair.send(pair.block(b"one\n"))
        pair.client.close()
        pair.store()
        assert pair.relp.is_broken
        assert not pair.relp.owes_response
        assert pair.clients.unsent == 0
        assert pair.clients.all_answered.is_set()
