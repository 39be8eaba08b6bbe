"""One RELP connection, its bytes cut anywhere: what is in the arena, what is answered, what is counted."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemons.collector.wired import total

from nodelog.wire.client import Acked, ClientSession, Closed, Rejected, Welcome
from nodelogd.collector.arena import OWED, Arena
from nodelogd.collector.clients import Clients
from nodelogd.collector.lines import BESIDE, READ, STAMPED_FRAME, Limits
from nodelogd.collector.metrics import Metrics
from nodelogd.collector.relp import UNANSWERED, UNSENT, Relp

if TYPE_CHECKING:
    from typing import Literal, Self

    from nodelog.wire.client import Event

STREAM = b"stream number 1."
KIB = 1024
LINES = st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n")
BLOCKS = st.lists(st.lists(LINES, max_size=4).map(b"".join), max_size=8)
CUTS = st.lists(st.integers(1, 200), min_size=1, max_size=40)
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z peer ")


class Talk:
    """A client, a connection, and an arena that a test empties as the writer does."""

    def __init__(
        self,
        *,
        max_line: int = 1024 * KIB,
        stamp: bool = False,
        stream: tuple[bytes, int] | None = None,
        frames: Literal["lines", "syslog"] = "lines",
        durable: int = 0,
    ) -> None:
        """Connect; nothing is sent yet."""
        self.client, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self.client.settimeout(20)
        self.metrics, self.limits = Metrics(), Limits(max_line, stamp_lines=stamp)
        self.forgotten: list[bytes] = []
        self.clients = Clients(lambda _: durable, self.forgotten.append)
        self.relp = Relp(self.sock, b"peer", self.limits, self.metrics, self.clients)
        self.session = ClientSession(stream=stream, name="pod", frames=frames)
        self.arena = Arena(self.limits.room)
        self.sent = 0  # bytes
        self.written = b""
        self.pairs: dict[bytes, int] = {}
        self.fences = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.sock.close()

    def open(self) -> Welcome:
        """Open, and have it answered."""
        self.send(self.session.hello())
        (welcome,) = self.answers()
        assert isinstance(welcome, Welcome)
        return welcome

    def send(self, data: bytes, cut: int = 32 * KIB) -> None:
        """Send, and have it read in pieces of that size."""
        self.sent += len(data)
        for start in range(0, len(data), cut):
            self.client.sendall(data[start : start + cut])
            self.relp.receive(self.arena)
            assert self.relp.unfinished == self.relp._session.pending

    def block(self, data: bytes) -> bytes:
        """Give a frame."""
        return b"".join(self.session.block(data))

    def store(self) -> None:
        """Have the writer store all that is there, and give its answers."""
        self.written += self.arena.view[: self.arena.end]
        self.pairs |= self.arena.pairs
        self.fences += self.arena.fence
        receipts = self.arena.receipts
        self.arena.clear()
        for connection, count in receipts.items():
            connection.answer(count)

    def answers(self) -> list[Event]:
        """Store, and give what the client gets."""
        self.store()
        self.client.setblocking(False)
        try:
            return self.session.feed(self.client.recv(1024 * KIB))
        except BlockingIOError:
            return []
        finally:
            self.client.setblocking(True)

    def assert_accounted(self) -> None:
        """Fail unless every byte is accounted for; `received` is what the intake would count."""
        known = len(self.written) + self.arena.end + self.relp.unfinished + total(self.metrics.dropped)
        assert self.sent + total(self.metrics.added) == known + total(self.metrics.overhead)


def sent_in_cuts(talk: Talk, data: bytes, cuts: list[int]) -> list[Event]:
    """Send in portions of these sizes, again and again; store behind each third of them."""
    events: list[Event] = []
    at = step = 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        talk.send(data[at : at + size])
        at, step = at + size, step + 1
        if step % 3 == 0:
            events += talk.answers()
    return events + talk.answers()


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
        talk.send(b"".join(map(talk.session.message, messages)), cut=READ)
        assert talk.answers() == [Acked()] * 30
        assert talk.written == b"".join(m.replace(b"\n", b"\\n") + b"\n" for m in messages)
        talk.assert_accounted()


def test_with_stamps_each_line_of_a_block_gets_one_and_there_is_room_for_the_worst() -> None:
    with Talk(stamp=True) as talk:
        assert talk.open().max_data == STAMPED_FRAME
        talk.arena.add(b"x" * (1024 * KIB - 1))
        before = talk.arena.end
        talk.send(talk.block(b"\n" * STAMPED_FRAME), cut=10_000)
        assert talk.answers() == [Acked()]
        lines = talk.written[before:].split(b"\n")
        assert len(lines) == STAMPED_FRAME + 1
        assert all(STAMP.fullmatch(line) for line in lines[:-1])


@pytest.mark.parametrize("max_line", [KIB, 64 * KIB, 16 * 1024 * KIB])
def test_a_frame_may_be_64_kib_larger_than_the_longest_line(max_line: int) -> None:
    with Talk(max_line=max_line) as talk:
        assert talk.open().max_data == max_line + BESIDE
        line = b"l" * (max_line + BESIDE - 1) + b"\n"
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
        assert why in talk.relp.fault
        talk.store()
        assert (talk.written, talk.pairs) == (b"good\n", {STREAM: 1})
        talk.relp.drop("protocol")
        talk.assert_accounted()


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
        assert talk.relp.is_owed
        assert talk.answers() == [Closed()]
        assert talk.relp.is_done
        talk.relp.leave()
        assert talk.forgotten == [STREAM]


def test_a_stream_is_not_forgotten_at_a_close_that_came_before_the_answers() -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.send(talk.block(b"one\n") + talk.session.close())
        talk.store()  # the answers may be lost, and then the block comes again
        assert talk.relp.is_done
        talk.relp.leave()
        assert talk.forgotten == []


def test_a_stream_is_not_forgotten_when_its_connection_just_ends() -> None:
    with Talk(stream=(STREAM, 1)) as talk:
        talk.open()
        talk.relp.leave()
        assert talk.forgotten == []


def test_it_is_not_read_with_1024_frames_unanswered() -> None:
    with Talk() as talk:
        talk.open()
        talk.send(b"".join(talk.block(b"") for _ in range(UNANSWERED - 1)))
        reads = [talk.relp.wants]
        talk.send(talk.block(b""))
        reads.append(talk.relp.wants)
        talk.store()
        reads.append(talk.relp.wants)
        assert [bool(wants & 1) for wants in reads] == [True, False, True]


def test_it_is_not_read_with_64_kib_of_answers_unsent() -> None:
    with Talk() as talk:
        talk.open()
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while len(talk.relp.unsent) < UNSENT:
            talk.send(b"".join(talk.block(b"") for _ in range(500)))
            assert bool(talk.relp.wants & 1)
            talk.store()
        assert talk.clients.unsent == len(talk.relp.unsent)
        assert not talk.relp.wants & 1
        while talk.session.unacknowledged:
            talk.session.feed(talk.client.recv(1024 * KIB))
            talk.relp.flush()
        assert (talk.relp.wants, talk.clients.unsent) == (1, 0)


def test_too_many_probes_fill_an_arena_though_they_have_no_bytes() -> None:
    with Talk() as talk:
        talk.open()
        while not talk.arena.is_full:
            talk.send(b"".join(talk.block(b"") for _ in range(1000)))
        assert (talk.arena.end, sum(talk.arena.receipts.values()) // 1000) == (0, OWED // 1000 + 1)
        talk.store()
        assert not talk.arena.is_full


def test_a_peer_that_is_gone_breaks_nothing_but_its_own_connection() -> None:
    with Talk() as talk:
        talk.open()
        talk.send(talk.block(b"one\n"))
        talk.client.close()
        talk.store()
        assert talk.relp.is_broken
        assert not talk.relp.is_owed
        assert talk.clients.unsent == 0
        assert talk.clients.answered.is_set()
