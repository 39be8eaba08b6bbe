from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemons.collector.wired import reset, tcp_pair, value

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


class Reading:
    """One connection, and all that comes out of its arena."""

    def __init__(self, max_line: int = MIB, *, stamp: bool = False) -> None:
        """Connect."""
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
        """Send and have it read; no read may bring more than there is room for."""
        for start in range(0, len(data), 32 * 1024):
            self.client.sendall(data[start : start + 32 * 1024])
            try:
                while self.read():
                    pass
            except BlockingIOError:
                pass

    def read(self) -> int:
        """Read once."""
        count = self.lines.receive(self.arena)
        self.take()
        return count

    def take(self) -> None:
        """Empty the arena as the writer does, when it is full or not."""
        self.written += self.arena.view[: self.arena.end]
        self.arena.end = 0

    def end(self) -> bytes:
        """End the stream; give all that was written."""
        self.client.close()
        assert self.read() == 0
        self.lines.finish(self.arena)
        self.take()
        assert self.lines.unfinished == 0
        return self.written


def pieces_of(data: bytes, max_line: int) -> bytes:
    """Say what a log holds of a stream: its lines, too long ones cut, the last one ended."""
    *whole, last = data.split(b"\n")
    lines = [*whole, last] if last else whole
    cut = [
        line[start : start + max_line] for line in lines for start in range(0, max(len(line), 1), max_line)
    ]
    return b"".join(line + b"\n" for line in cut)


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    """Draw a longest line and a stream in cuts, with lines around that length and its multiples."""
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
def test_any_cut_into_reads_gives_the_lines_of_the_whole(stream: tuple[int, list[bytes]]) -> None:
    max_line, cuts = stream
    with Reading(max_line) as reading:
        for cut in cuts:
            reading.send(cut)
        assert reading.end() == pieces_of(b"".join(cuts), max_line)


@given(streams())
def test_with_stamps_too(stream: tuple[int, list[bytes]]) -> None:
    max_line, cuts = stream
    with Reading(max_line, stamp=True) as reading:
        for cut in cuts:
            reading.send(cut)
        lines = reading.end().split(b"\n")[:-1]
    assert all(STAMP.match(line) for line in lines)
    plain = b"".join(STAMP.sub(b"", line, count=1) + b"\n" for line in lines)
    assert plain == pieces_of(b"".join(cuts), max_line)


@given(streams())
def test_after_each_read_only_the_last_line_is_unfinished(stream: tuple[int, list[bytes]]) -> None:
    max_line, cuts = stream
    sent = b""
    with Reading(max_line) as reading:
        for cut in cuts:
            reading.send(cut)
            sent += cut
            last = len(sent) - sent.rfind(b"\n") - 1
            # A line of just the limit may end with the next byte, so that it is not cut before that.
            assert reading.lines.unfinished == ((last - 1) % max_line + 1 if last else 0)


@given(streams(), st.data())
def test_a_split_ends_the_line_there_and_the_rest_is_a_line_of_its_own(
    stream: tuple[int, list[bytes]], data: st.DataObject
) -> None:
    max_line, cuts = stream
    expected = since = b""
    with Reading(max_line) as reading:
        for cut in cuts:
            reading.send(cut)
            since += cut
            if data.draw(st.booleans()) and reading.lines.unfinished:
                reading.lines.split(reading.arena)
                reading.take()
                expected, since = expected + pieces_of(since, max_line), b""
        assert reading.end() == expected + pieces_of(since, max_line)


@pytest.mark.parametrize("length", [MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 1])
def test_a_line_is_cut_if_it_is_longer_than_the_limit_and_every_cut_is_counted(length: int) -> None:
    cuts = (length - 1) // MIB
    with Reading() as reading:
        reading.send(b"y" * length + b"\n")
        assert reading.end() == pieces_of(b"y" * length + b"\n", MIB)
        assert value(reading.metrics, "nodelog_split_lines_total", reason="max-line") == cuts
        assert value(reading.metrics, "nodelog_added_bytes_total", what="newline") == cuts


@pytest.mark.parametrize("tail", [0, 1, 16 * 1024, 17 * 1024, 600_000, MIB - 1, MIB])
@pytest.mark.parametrize("end", [0, ARENA_SIZE - 1])
def test_a_read_full_of_empty_lines_has_room_for_their_stamps(tail: int, end: int) -> None:
    with Reading(stamp=True) as reading:
        reading.send(b"t" * tail)
        reading.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * READ_SIZE)
        reading.client.setblocking(False)
        sent = reading.client.send(b"\n" * READ_SIZE)
        assert sent > 2 * STAMPED_READ_SIZE
        lines = 0
        while sent > 0:
            reading.arena.end = end
            sent -= reading.lines.receive(reading.arena)
            lines += bytes(reading.arena.view[end : reading.arena.end]).count(b"peer")
        assert lines > 2 * STAMPED_READ_SIZE


def test_behind_the_end_of_a_long_line_another_long_one_can_begin() -> None:
    with Reading() as reading:
        reading.send(b"a" * 100_000)
        reading.send(b"a\nb\n" + b"c" * 100_000)
        assert reading.lines.unfinished == 100_000
        reading.send(b"\n")
        assert reading.end() == b"a" * 100_001 + b"\nb\n" + b"c" * 100_000 + b"\n"


@pytest.mark.parametrize("length", [3, 100_000])
def test_an_unfinished_line_can_be_dropped_and_is_counted_once(length: int) -> None:
    with Reading() as reading:
        reading.send(b"whole\n" + b"d" * length)
        reading.lines.drop_unfinished("reset")
        reading.lines.drop_unfinished("reset")
        assert value(reading.metrics, "nodelog_dropped_lines_total", reason="reset") == 1
        assert value(reading.metrics, "nodelog_dropped_bytes_total", reason="reset") == length
        assert reading.end() == b"whole\n"


@pytest.mark.parametrize(("last", "added"), [(b"last", 1), (b"last\n", 0), (b"", 0)])
def test_only_a_last_line_without_lf_gets_one(last: bytes, added: int) -> None:
    with Reading() as reading:
        reading.send(b"first\n" + last)
        assert reading.end() == b"first\n" + last + b"\n" * added
        assert value(reading.metrics, "nodelog_added_bytes_total", what="newline") == added


def test_stamps_are_counted_as_added() -> None:
    with Reading(stamp=True) as reading:
        reading.send(b"one\ntwo\nlast")
        written = reading.end()
        added = value(reading.metrics, "nodelog_added_bytes_total", what="stamp")
    assert added == len(written) - len(b"one\ntwo\nlast\n")


def test_what_came_before_a_reset_is_read_and_the_reset_is_an_error() -> None:
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
