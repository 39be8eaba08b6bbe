"""One RELP connection: what it is answered, what of its stream is known, and when it is not read."""

from __future__ import annotations

import socket

from tests.daemons.collector.talk import Talk

from nodelog.wire.client_session import Acked, Closed
from nodelogd.collector.network.relp_connection import MAX_UNANSWERED, MAX_UNSENT
from nodelogd.collector.pipeline.arena import MAX_ACKS

STREAM = b"stream number 1."
KIB = 1024


def test_m_is_what_the_store_has_and_the_next_block_has_the_number_behind_it() -> None:
    with Talk(stream=(STREAM, 3), durable=7) as talk:
        assert talk.open().durable == 7
        talk.send(talk.block(b"eight\n"))
        talk.store()
        assert talk.pairs == {STREAM: 8}
        assert talk.fences == 1


def test_an_open_without_a_stream_asks_for_no_fence() -> None:
    with Talk() as talk:
        talk.open()
        assert (talk.fences, talk.pairs) == (0, {})


def test_a_probe_writes_nothing_and_is_answered_like_a_block() -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.send(talk.block(b"") + talk.block(b"two\n") + talk.block(b""))
        assert talk.answers() == [Acked()] * 3
        assert (talk.written, talk.pairs) == (b"two\n", {STREAM: 3})
        talk.assert_accounted()


def test_a_stream_is_forgotten_at_a_close_with_everything_answered() -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.send(talk.block(b"one\n"))
        assert talk.answers() == [Acked()]
        talk.send(talk.session.close())
        assert talk.relp.owes_response
        assert talk.answers() == [Closed()]
        assert talk.relp.is_done
        talk.relp.release()
        assert talk.forgotten == [STREAM]


def test_a_stream_is_not_forgotten_at_a_close_that_came_before_the_answers() -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.send(talk.block(b"one\n") + talk.session.close())
        talk.store()  # the answers may be lost, and then the block comes again
        assert talk.relp.is_done
        talk.relp.release()
        assert talk.forgotten == []


def test_a_stream_is_not_forgotten_when_its_connection_just_ends() -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.relp.release()
        assert talk.forgotten == []


def test_it_is_not_read_with_1024_frames_unanswered() -> None:
    with Talk() as talk:
        talk.open()
        talk.send(b"".join(talk.block(b"") for _ in range(MAX_UNANSWERED - 1)))
        reads = [talk.relp.wanted_events]
        talk.send(talk.block(b""))
        reads.append(talk.relp.wanted_events)
        talk.store()
        reads.append(talk.relp.wanted_events)
        assert [bool(wanted_events & 1) for wanted_events in reads] == [True, False, True]


def test_it_is_not_read_with_64_kib_of_answers_unsent() -> None:
    with Talk() as talk:
        talk.open()
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while len(talk.relp.unsent) < MAX_UNSENT:
            talk.send(b"".join(talk.block(b"") for _ in range(500)))
            assert bool(talk.relp.wanted_events & 1)
            talk.store()
        assert talk.clients.unsent == len(talk.relp.unsent)
        assert not talk.relp.wanted_events & 1
        while talk.session.unacknowledged:
            talk.session.feed(talk.client.recv(1024 * KIB))
            talk.relp.flush()
        assert (talk.relp.wanted_events, talk.clients.unsent) == (1, 0)


def test_too_many_probes_fill_an_arena_though_they_have_no_bytes() -> None:
    with Talk() as talk:
        talk.open()
        while not talk.arena.is_full:
            talk.send(b"".join(talk.block(b"") for _ in range(1000)))
        assert (talk.arena.end, sum(talk.arena.receipts.values()) // 1000) == (0, MAX_ACKS // 1000 + 1)
        talk.store()
        assert not talk.arena.is_full


def test_a_peer_that_is_gone_breaks_nothing_but_its_own_connection() -> None:
    with Talk() as talk:
        talk.open()
        talk.send(talk.block(b"one\n"))
        talk.client.close()
        talk.store()
        assert talk.relp.is_broken
        assert not talk.relp.owes_response
        assert talk.clients.unsent == 0
        assert talk.clients.all_answered.is_set()
