"""Connections that end at once leave their lines and nothing else; all others become ordinary connections."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, reset, tcp_pair, until

from nodelog.wire.sniffing import Protocol
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.protocol_detection import FIRST_READ_SIZE
from nodelogd.collector.network.short_connections import MAX_REST, AcceptedConnection, ShortConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PEER = ("10.1.2.3", 40000)
OPEN = b"1 open 35 relp_version=0\ncommands=syslog,lines\n"
RELP_BYTES = b"1 open %d %b\n" % (len(OPEN.split(b" ", 3)[3]), OPEN.split(b" ", 3)[3])


class ShortHarness:
    """Accepted connections, and what `serve` makes of them."""

    def __init__(self, reading: ReaderHarness, stack: ExitStack, limits: LineLimits | None = None) -> None:
        self.reading = reading
        self.stack = stack
        self.kept: list[AcceptedConnection] = []
        self.short = ShortConnections(reading.reader, limits or reading.limits, reading.metrics)

    def client(self, *, sends: bytes = b"", ends: bool = False) -> tuple[socket.socket, AcceptedConnection]:
        """Return a client that has sent something, and its accepted connection."""
        client, accepted = tcp_pair()
        self.stack.enter_context(client)
        client.sendall(sends)
        if ends:
            client.shutdown(socket.SHUT_WR)
        return client, AcceptedConnection(accepted.detach(), PEER)

    def serve(self, *accepted: AcceptedConnection) -> list[AcceptedConnection]:
        """Serve connections; return those that stay open. They become ordinary ones."""
        self.short.serve([*accepted], self.keep_open)
        return self.kept

    def keep_open(self, accepted: AcceptedConnection) -> None:
        """Do what the listener does."""
        self.kept.append(accepted)
        self.reading.connections.add(self.reading.factory.create(accepted))
        for data in accepted.rest:
            self.reading.reader.feed(accepted.descriptor, data)

    def closed(self, reason: str = "end of stream") -> float:
        """Return how many connections were closed for a reason."""
        return self.reading.metric("nodelog_connections_closed_total", reason=reason)


@pytest.fixture
def short(harness: ReaderHarness) -> Generator[ShortHarness]:
    with ExitStack() as stack:
        yield ShortHarness(harness, stack)


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (b"one\n", b"one\n"),
        (b"one\ntwo\n", b"one\ntwo\n"),
        (b"no line feed", b"no line feed\n"),
        (b"one\nno line feed", b"one\nno line feed\n"),
        (b"", b""),
        (b"1 open", b"1 open\n"),  # it could have become RELP
        (b"\n", b"\n"),
    ],
)
async def test_a_connection_that_has_ended_leaves_its_lines_and_is_closed_at_once(
    short: ShortHarness, sent: bytes, written: bytes
) -> None:
    client, accepted = short.client(sends=sent, ends=True)
    assert short.serve(accepted) == []
    assert client.recv(1) == b""
    await short.reading.reader.flush()
    assert short.reading.written == written
    assert (len(short.reading.connections), short.closed()) == (0, 1)
    assert short.reading.byte_totals()[0] == short.reading.byte_totals()[1] == len(written)


async def test_the_lines_of_a_batch_are_written_together_in_the_order_of_their_connections(
    short: ShortHarness,
) -> None:
    accepted = [short.client(sends=b"%d\n" % number, ends=True)[1] for number in range(20)]
    assert short.serve(*accepted) == []
    await short.reading.reader.flush()
    assert short.reading.batches == [b"".join(b"%d\n" % number for number in range(20))]


@pytest.mark.parametrize("sent", [b"", b"whole\n", b"begun", b"whole\nbegun", b"1 op"])
async def test_what_stays_open_continues_as_an_ordinary_connection(short: ShortHarness, sent: bytes) -> None:
    client, accepted = short.client(sends=sent)
    assert short.serve(accepted) == [accepted]
    assert len(short.reading.connections) == 1
    client.sendall(b" and more\n")
    client.shutdown(socket.SHUT_WR)
    await short.reading.all_closed()
    assert short.reading.written == sent + b" and more\n"
    assert short.reading.byte_totals()[0] == short.reading.byte_totals()[1]


async def test_a_connection_that_sends_much_becomes_an_ordinary_one_after_its_second_read(
    short: ShortHarness,
) -> None:
    sent = b"x" * 99 + b"\n"
    sent *= 4 * FIRST_READ_SIZE // len(sent)
    _, accepted = short.client(sends=sent, ends=True)
    assert short.serve(accepted) == [accepted]
    assert short.reading.reader.held_bytes + len(short.reading.written) == 2 * FIRST_READ_SIZE
    await short.reading.all_closed()
    assert short.reading.written == sent


async def test_a_long_unfinished_line_counts_towards_the_memory_limit_at_once(short: ShortHarness) -> None:
    sent = b"z" * (MAX_REST + 1)
    _, accepted = short.client(sends=sent, ends=True)
    assert short.serve(accepted) == [accepted]
    assert short.reading.connections.unfinished == len(sent)
    await short.reading.all_closed()
    assert short.reading.written == sent + b"\n"


async def test_relp_is_told_from_lines_and_answered(short: ShortHarness) -> None:
    client, accepted = short.client(sends=RELP_BYTES)
    assert short.serve(accepted) == [accepted]
    assert accepted.protocol is Protocol.RELP
    await until(lambda: short.reading.metric("nodelog_relp_frames_total") == 1)
    client.setblocking(False)
    answer = bytearray()

    def answered() -> bool:
        try:
            answer.extend(client.recv(4096))
        except BlockingIOError:
            return False
        return True

    await until(answered)
    assert answer.startswith(b"1 rsp ")
    assert short.reading.written == b""


async def test_an_unfinished_line_of_a_connection_that_was_reset_is_dropped_and_counted(
    short: ShortHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accepted = short.client(sends=b"whole\nbegun")
    after_read(short, monkeypatch, lambda: reset(client))
    assert short.serve(accepted) == []
    await short.reading.reader.flush()
    assert short.reading.written == b"whole\n"
    assert short.closed("reset") == 1
    assert short.reading.metric("nodelog_dropped_lines_total", reason="reset") == 1
    assert short.reading.byte_totals()[0] == short.reading.byte_totals()[1]


async def test_a_line_that_comes_a_moment_after_the_connection_needs_no_ordinary_connection(
    short: ShortHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accepted = short.client()

    def send_and_end() -> None:
        client.sendall(b"late\n")
        client.shutdown(socket.SHUT_WR)

    after_read(short, monkeypatch, send_and_end)
    assert short.serve(accepted) == []
    await short.reading.reader.flush()
    assert short.reading.written == b"late\n"


async def test_while_reading_is_paused_nothing_is_read_and_connections_stay_open(short: ShortHarness) -> None:
    short.reading.reader.pause()
    accepted = [short.client(sends=b"%d\n" % number, ends=True)[1] for number in range(3)]
    assert short.serve(*accepted) == accepted
    assert short.reading.metric("nodelog_received_bytes_total") == 0
    short.reading.reader.resume()
    await short.reading.all_closed()
    assert sorted(short.reading.written.split()) == [b"0", b"1", b"2"]


async def test_without_a_free_arena_reading_pauses_and_no_line_is_lost(short: ShortHarness) -> None:
    line = b"y" * (FIRST_READ_SIZE - 1) + b"\n"
    short.reading.is_stuck = True
    clients = [short.client(sends=line, ends=True)[1] for _ in range(3 * 1024 * 1024 // len(line))]
    short.serve(*clients)
    assert short.reading.reader.is_paused
    assert len(short.kept) == len(short.reading.connections) > 0
    short.reading.is_stuck = False
    short.reading.release()
    await short.reading.all_closed()
    assert short.reading.written == line * len(clients)


async def test_stamps_name_the_peer_of_each_line(harness: ReaderHarness) -> None:
    with ExitStack() as stack:
        limits = LineLimits(1024 * 1024, stamp=True)
        harness.factory = replace(harness.factory, limits=limits)
        short = ShortHarness(harness, stack, limits)
        _, whole = short.client(sends=b"a\nb\n", ends=True)
        _, rest = short.client(sends=b"c", ends=True)
        assert short.serve(whole, rest) == []
        await harness.reader.flush()
        lines = harness.written.splitlines()
        assert [line.split(b" ", 1)[1] for line in lines] == [
            b"10.1.2.3:40000 " + name for name in (b"a", b"b", b"c")
        ]
        assert harness.byte_totals()[0] == harness.byte_totals()[1]


def after_read(short: ShortHarness, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Act between the first and the second read."""
    read, calls = short.short._read, []

    def read_and_act(*arguments: object) -> bool:
        goes_on = read(*arguments)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 1:
            act()
        return goes_on

    monkeypatch.setattr(short.short, "_read", read_and_act)
