from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemons.collector.reader_harness import metric_value, reset, tcp_pair

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.line_connection import (
    READ_SIZE,
    STAMPED_READ_SIZE,
    LineConnection,
    LineLimits,
)
from nodelogd.collector.pipeline.arena import ARENA_SIZE, Arena

if TYPE_CHECKING:
    from typing import Self

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z peer ")
MIB = 1024 * 1024


class LinePair:
    """A client, its line connection, and everything that the connection puts into its arena."""

    def __init__(self, max_line: int = MIB, *, stamp: bool = False) -> None:
        """Connect without sending anything."""
        self.client, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self.metrics = Metrics()
        limits = LineLimits(max_line, stamp=stamp)
        self.lines = LineConnection(self.sock, b"peer", limits, self.metrics)
        self.arena = Arena(limits.headroom)
        self.written = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send data in pieces of 32 KiB and read each completely, emptying the arena after each read."""
        for start in range(0, len(data), 32 * 1024):
            self.client.sendall(data[start : start + 32 * 1024])
            try:
                while self.read():
                    pass
            except BlockingIOError:
                pass

    def read(self) -> int:
        """Read once and empty the arena."""
        count = self.lines.receive(self.arena)
        self.empty_arena()
        return count

    def empty_arena(self) -> None:
        """Move what is in the arena to `written`, as the writer does, whether it is full or not."""
        self.written += self.arena.view[: self.arena.end]
        self.arena.end = 0

    def end(self) -> bytes:
        """End the stream; return everything that was written."""
        self.client.close()
        assert self.read() == 0
        self.lines.finish(self.arena)
        self.empty_arena()
        assert self.lines.unfinished == 0
        return self.written


def expected_log(data: bytes, max_line: int) -> bytes:
    """Return what the log must hold of a stream: its lines, long ones split, the last one with an LF."""
    *whole, last = data.split(b"\n")
    lines = [*whole, last] if last else whole
    cut = [
        line[start : start + max_line] for line in lines for start in range(0, max(len(line), 1), max_line)
    ]
    return b"".join(line + b"\n" for line in cut)


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    """Draw a line limit and a stream in pieces, with lines around that limit and its multiples."""
    max_line = draw(st.sampled_from([16, 17, 20, 64, 300, 1024]))
    lengths = st.one_of(
        st.integers(0, 5),
        st.sampled_from([max_line // 4, max_line - 1, max_line, max_line + 1, 2 * max_line, 5 * max_line]),
        st.integers(0, 3 * max_line),
    )
    fill = st.sampled_from([b"x", b"\0", b"\r", b"\xff", "ü".encode(), b"\x80\n"])
    parts = st.builds(
        lambda length, byte, end: byte * length + end, lengths, fill, st.sampled_from([b"\n", b""])
    )
    data = b"".join(draw(st.lists(parts, max_size=12)))
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=12))})
    return max_line, [data[start:end] for start, end in pairwise(cuts)]


@given(streams())
def test_any_division_into_reads_gives_the_same_lines(stream: tuple[int, list[bytes]]) -> None:
    max_line, cuts = stream
    with LinePair(max_line) as pair:
        for cut in cuts:
            pair.send(cut)
        assert pair.end() == expected_log(b"".join(cuts), max_line)


@given(streams())
def test_any_division_into_reads_gives_the_same_stamped_lines(stream: tuple[int, list[bytes]]) -> None:
    max_line, cuts = stream
    with LinePair(max_line, stamp=True) as pair:
        for cut in cuts:
            pair.send(cut)
        lines = pair.end().split(b"\n")[:-1]
    assert all(STAMP.match(line) for line in lines)
    plain = b"".join(STAMP.sub(b"", line, count=1) + b"\n" for line in lines)
    assert plain == expected_log(b"".join(cuts), max_line)


@given(streams())
def test_after_each_read_only_the_last_line_is_unfinished(stream: tuple[int, list[bytes]]) -> None:
    max_line, cuts = stream
    sent = b""
    with LinePair(max_line) as pair:
        for cut in cuts:
            pair.send(cut)
            sent += cut
            last = len(sent) - sent.rfind(b"\n") - 1
            # A line of exactly the limit may end with the next byte, so it is not split before that.
            assert pair.lines.unfinished == ((last - 1) % max_line + 1 if last else 0)


@given(streams(), st.data())
def test_a_split_ends_the_line_and_the_rest_becomes_another_line(
    stream: tuple[int, list[bytes]], data: st.DataObject
) -> None:
    max_line, cuts = stream
    expected = since = b""
    with LinePair(max_line) as pair:
        for cut in cuts:
            pair.send(cut)
            since += cut
            if data.draw(st.booleans()) and pair.lines.unfinished:
                pair.lines.split(pair.arena)
                pair.empty_arena()
                expected, since = expected + expected_log(since, max_line), b""
        assert pair.end() == expected + expected_log(since, max_line)


@pytest.mark.parametrize("length", [MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 1])
def test_a_line_longer_than_the_limit_is_split_and_every_split_is_counted(length: int) -> None:
    cuts = (length - 1) // MIB
    with LinePair() as pair:
        pair.send(b"y" * length + b"\n")
        assert pair.end() == expected_log(b"y" * length + b"\n", MIB)
        assert metric_value(pair.metrics, "nodelog_split_lines_total", reason="max-line") == cuts
        assert metric_value(pair.metrics, "nodelog_added_bytes_total", what="newline") == cuts


@pytest.mark.parametrize("tail", [0, 1, 16 * 1024, 17 * 1024, 600_000, MIB - 1, MIB])
@pytest.mark.parametrize("end", [0, ARENA_SIZE - 1])
def test_the_headroom_fits_the_stamps_of_a_read_full_of_empty_lines(tail: int, end: int) -> None:
    with LinePair(stamp=True) as pair:
        pair.send(b"t" * tail)
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * READ_SIZE)
        pair.client.setblocking(False)
        sent = pair.client.send(b"\n" * READ_SIZE)
        assert sent > 2 * STAMPED_READ_SIZE
        lines = 0
        while sent > 0:
            pair.arena.end = end
            sent -= pair.lines.receive(pair.arena)
            lines += bytes(pair.arena.view[end : pair.arena.end]).count(b"peer")
        assert lines > 2 * STAMPED_READ_SIZE


def test_a_long_line_can_follow_the_end_of_another_in_one_read() -> None:
    with LinePair() as pair:
        pair.send(b"a" * 100_000)
        pair.send(b"a\nb\n" + b"c" * 100_000)
        assert pair.lines.unfinished == 100_000
        pair.send(b"\n")
        assert pair.end() == b"a" * 100_001 + b"\nb\n" + b"c" * 100_000 + b"\n"


@pytest.mark.parametrize("length", [3, 100_000])
def test_a_dropped_unfinished_line_is_counted_once(length: int) -> None:
    with LinePair() as pair:
        pair.send(b"whole\n" + b"d" * length)
        pair.lines.drop_unfinished("reset")
        pair.lines.drop_unfinished("reset")
        assert metric_value(pair.metrics, "nodelog_dropped_lines_total", reason="reset") == 1
        assert metric_value(pair.metrics, "nodelog_dropped_bytes_total", reason="reset") == length
        assert pair.end() == b"whole\n"


@pytest.mark.parametrize(("last", "added"), [(b"last", 1), (b"last\n", 0), (b"", 0)])
def test_only_a_last_line_without_lf_gets_one(last: bytes, added: int) -> None:
    with LinePair() as pair:
        pair.send(b"first\n" + last)
        assert pair.end() == b"first\n" + last + b"\n" * added
        assert metric_value(pair.metrics, "nodelog_added_bytes_total", what="newline") == added


def test_stamps_are_counted_as_added_bytes() -> None:
    with LinePair(stamp=True) as pair:
        pair.send(b"one\ntwo\nlast")
        written = pair.end()
        added = metric_value(pair.metrics, "nodelog_added_bytes_total", what="stamp")
    assert added == len(written) - len(b"one\ntwo\nlast\n")


def test_data_before_a_reset_is_read_and_the_reset_raises() -> None:
    client, accepted = tcp_pair()
    with ExitStack() as stack:
        stack.enter_context(accepted)
        limits = LineLimits(MIB)
        arena, lines = Arena(limits.headroom), LineConnection(accepted, b"", limits, Metrics())
        client.sendall(b"whole\nhalf")
        accepted.setblocking(True)
        accepted.recv(1, socket.MSG_PEEK)
        reset(client)
        assert lines.receive(arena) == 10
        with pytest.raises(ConnectionResetError):
            lines.receive(arena)
        assert bytes(arena.view[: arena.end]) == b"whole\n"
        assert lines.unfinished == 4
