"""One RELP connection, its bytes cut anywhere: what is in the arena, and what is counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemons.collector.talk import Talk, sent_in_cuts
from tests.daemons.collector.wired import total

from nodelog.wire.client_session import Acked, Rejected, Welcome
from nodelogd.collector.network.line_connection import FRAME_MARGIN, READ_SIZE, STAMPED_MAX_DATA

STREAM = b"stream number 1."
KIB = 1024
LINES = st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n")
BLOCKS = st.lists(st.lists(LINES, max_size=4).map(b"".join), max_size=8)
CUTS = st.lists(st.integers(1, 200), min_size=1, max_size=40)
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z peer ")


@given(BLOCKS, CUTS)
def test_blocks_cut_anywhere_stand_in_the_log_as_they_are_and_each_is_answered(
    blocks: list[bytes], cuts: list[int]
) -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        assert talk.open() == Welcome(0, talk.limits.max_data, lines=True)
        events = sent_in_cuts(talk, b"".join(map(talk.block, blocks)), cuts)
        assert talk.written == b"".join(blocks)
        assert events == [Acked()] * len(blocks)
        assert talk.pairs == ({STREAM: len(blocks)} if blocks else {})
        talk.assert_accounted()


@given(st.lists(st.binary(max_size=60), max_size=10), CUTS)
def test_a_message_is_one_line_whatever_is_in_it(messages: list[bytes], cuts: list[int]) -> None:
    with Talk(frames="syslog") as talk:
        talk.open()
        events = sent_in_cuts(talk, b"".join(map(talk.session.message, messages)), cuts)
        lines = [message.removesuffix(b"\n").replace(b"\n", b"\\n") + b"\n" for message in messages]
        assert talk.written == b"".join(lines)
        assert events == [Acked()] * len(messages)
        talk.assert_accounted()


def test_a_message_with_line_feeds_gets_one_stamp() -> None:
    with Talk(frames="syslog", stamp=True) as talk:
        talk.open()
        talk.send(talk.session.message(b"a\nb\n\nc") + talk.session.message(b"d\n"))
        assert talk.answers() == [Acked(), Acked()]
        assert STAMP.sub(b"", talk.written) == b"a\\nb\\n\\nc\nd\n"
        talk.assert_accounted()


def test_messages_of_nothing_but_line_feeds_do_not_overtake_each_other_in_the_arena() -> None:
    with Talk(frames="syslog") as talk:
        talk.open()
        messages = [b"%d" % number + b"\n" * 5000 + b"." for number in range(30)]
        talk.send(b"".join(map(talk.session.message, messages)), cut=READ_SIZE)
        assert talk.answers() == [Acked()] * 30
        assert talk.written == b"".join(m.replace(b"\n", b"\\n") + b"\n" for m in messages)
        talk.assert_accounted()


def test_with_stamps_each_line_of_a_block_gets_one_and_there_is_room_for_the_worst() -> None:
    with Talk(stamp=True) as talk:
        assert talk.open().max_data == STAMPED_MAX_DATA
        talk.arena.add(b"x" * (1024 * KIB - 1))
        before = talk.arena.end
        talk.send(talk.block(b"\n" * STAMPED_MAX_DATA), cut=10_000)
        assert talk.answers() == [Acked()]
        lines = talk.written[before:].split(b"\n")
        assert len(lines) == STAMPED_MAX_DATA + 1
        assert all(STAMP.fullmatch(line) for line in lines[:-1])


@pytest.mark.parametrize("max_line", [KIB, 64 * KIB, 16 * 1024 * KIB])
def test_a_frame_may_be_64_kib_larger_than_the_longest_line(max_line: int) -> None:
    with Talk(max_line=max_line) as talk:
        assert talk.open().max_data == max_line + FRAME_MARGIN
        line = b"l" * (max_line + FRAME_MARGIN - 1) + b"\n"
        talk.send(talk.block(line) + talk.block(b"next\n"))
        assert talk.answers() == [Acked(), Acked()]
        assert talk.written == line + b"next\n"
        talk.assert_accounted()


def test_a_message_that_is_too_large_is_refused_in_its_turn_and_the_others_are_stored() -> None:
    with Talk(frames="syslog", max_line=KIB) as talk:
        talk.open()
        size = talk.limits.max_data + 1
        messages = [b"before", b"m" * size, b"behind"]
        talk.send(b"".join(map(talk.session.message, messages)))
        why = f"500 message of {size} bytes, at most {size - 1} allowed"
        assert talk.answers() == [Acked(), Rejected(why), Acked()]
        assert talk.written == b"before\nbehind\n"
        assert total(talk.metrics.rejected) == 1
        talk.assert_accounted()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"garbage\n", "not a frame header"),
        (b"3 lines 8 no end!!\n", "ends with byte"),
        (b"3 lines 9999999 x", "frame of 9999999 bytes, at most"),
        (b"9 lines 3 ab\n\n", "transaction 9 where 3 is next"),
        (b"3 open 14 relp_version=0\n", "transaction 3 is open"),
    ],
)
def test_nothing_good_in_front_of_garbage_is_lost(bad: bytes, why: str) -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.send(talk.block(b"good\n") + bad)
        assert why in talk.relp.protocol_error
        talk.store()
        assert (talk.written, talk.pairs) == (b"good\n", {STREAM: 1})
        talk.relp.drop_unfinished("protocol")
        talk.assert_accounted()
