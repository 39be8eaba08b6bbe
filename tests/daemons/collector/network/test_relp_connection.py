"""A RELP connection whose bytes arrive in any pieces: what is in the arena, and what is counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemons.collector.reader_harness import total
from tests.daemons.collector.relp_pair import RelpPair, send_in_cuts

from nodelog.wire.client_session import Acked, Rejected, Welcome
from nodelogd.collector.network.line_connection import FRAME_MARGIN, READ_SIZE, STAMPED_MAX_DATA

STREAM = b"stream number 1."
KIB = 1024
LINES = st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n")
BLOCKS = st.lists(st.lists(LINES, max_size=4).map(b"".join), max_size=8)
CUTS = st.lists(st.integers(1, 200), min_size=1, max_size=40)
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z peer ")


@given(BLOCKS, CUTS)
def test_blocks_cut_anywhere_are_written_unchanged_and_each_is_acknowledged(
    blocks: list[bytes], cuts: list[int]
) -> None:
    with RelpPair(stream=(STREAM, 1)) as pair:
        assert pair.open() == Welcome(0, pair.limits.max_data, lines=True)
        events = send_in_cuts(pair, b"".join(map(pair.block, blocks)), cuts)
        assert pair.written == b"".join(blocks)
        assert events == [Acked()] * len(blocks)
        assert pair.last_blocks == ({STREAM: len(blocks)} if blocks else {})
        pair.assert_accounted()


@given(st.lists(st.binary(max_size=60), max_size=10), CUTS)
def test_a_message_becomes_one_line_whatever_it_contains(messages: list[bytes], cuts: list[int]) -> None:
    with RelpPair(frames="syslog") as pair:
        pair.open()
        events = send_in_cuts(pair, b"".join(map(pair.session.message, messages)), cuts)
        lines = [message.removesuffix(b"\n").replace(b"\n", b"\\n") + b"\n" for message in messages]
        assert pair.written == b"".join(lines)
        assert events == [Acked()] * len(messages)
        pair.assert_accounted()


def test_a_message_with_line_feeds_gets_one_stamp() -> None:
    with RelpPair(frames="syslog", stamp=True) as pair:
        pair.open()
        pair.send(pair.session.message(b"a\nb\n\nc") + pair.session.message(b"d\n"))
        assert pair.responses() == [Acked(), Acked()]
        assert STAMP.sub(b"", pair.written) == b"a\\nb\\n\\nc\nd\n"
        pair.assert_accounted()


def test_messages_full_of_line_feeds_do_not_overwrite_each_other_in_the_arena() -> None:
    with RelpPair(frames="syslog") as pair:
        pair.open()
        messages = [b"%d" % number + b"\n" * 5000 + b"." for number in range(30)]
        pair.send(b"".join(map(pair.session.message, messages)), cut=READ_SIZE)
        assert pair.responses() == [Acked()] * 30
        assert pair.written == b"".join(m.replace(b"\n", b"\\n") + b"\n" for m in messages)
        pair.assert_accounted()


def test_each_line_of_a_block_is_stamped_and_the_headroom_fits_the_worst_case() -> None:
    with RelpPair(stamp=True) as pair:
        assert pair.open().max_data == STAMPED_MAX_DATA
        pair.arena.add(b"x" * (1024 * KIB - 1))
        before = pair.arena.end
        pair.send(pair.block(b"\n" * STAMPED_MAX_DATA), cut=10_000)
        assert pair.responses() == [Acked()]
        lines = pair.written[before:].split(b"\n")
        assert len(lines) == STAMPED_MAX_DATA + 1
        assert all(STAMP.fullmatch(line) for line in lines[:-1])


@pytest.mark.parametrize("max_line", [KIB, 64 * KIB, 16 * 1024 * KIB])
def test_a_frame_may_be_64_kib_larger_than_the_longest_line(max_line: int) -> None:
    with RelpPair(max_line=max_line) as pair:
        assert pair.open().max_data == max_line + FRAME_MARGIN
        line = b"l" * (max_line + FRAME_MARGIN - 1) + b"\n"
        pair.send(pair.block(line) + pair.block(b"next\n"))
        assert pair.responses() == [Acked(), Acked()]
        assert pair.written == line + b"next\n"
        pair.assert_accounted()


def test_a_message_that_is_too_large_is_rejected_in_order_and_the_others_are_stored() -> None:
    with RelpPair(frames="syslog", max_line=KIB) as pair:
        pair.open()
        size = pair.limits.max_data + 1
        messages = [b"before", b"m" * size, b"behind"]
        pair.send(b"".join(map(pair.session.message, messages)))
        why = f"500 message of {size} bytes, at most {size - 1} allowed"
        assert pair.responses() == [Acked(), Rejected(why), Acked()]
        assert pair.written == b"before\nbehind\n"
        assert total(pair.metrics.rejected) == 1
        pair.assert_accounted()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"garbage\n", "not a frame header"),
        (b"3 lines 8 no end!!\n", "ends with byte"),
        (b"3 lines 9999999 x", "frame of 9999999 bytes, at most"),
        (b"9 lines 3 ab\n\n", "transaction 9 where 3 was expected"),
        (b"3 open 14 relp_version=0\n", "transaction 3 is open"),
    ],
)
def test_valid_frames_before_garbage_are_not_lost(bad: bytes, why: str) -> None:
    with RelpPair(stream=(STREAM, 1)) as pair:
        pair.open()
        pair.send(pair.block(b"good\n") + bad)
        assert why in pair.relp.protocol_error
        pair.store()
        assert (pair.written, pair.last_blocks) == (b"good\n", {STREAM: 1})
        pair.relp.drop_unfinished("protocol")
        pair.assert_accounted()
