from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import reset, until

from nodelogd.collector.network.framing.decoders import Framing
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.short_connections import AcceptedConnection

if TYPE_CHECKING:
    import socket

    from tests.daemons.collector.reader_harness import ReaderHarness

ADDRESS = ("10.1.2.3", 40000)


def connect(harness: ReaderHarness, framing: Framing, limits: LineLimits | None = None) -> socket.socket:
    client, accepted = harness._socket_pair()
    factory = replace(harness.factory, limits=limits or harness.limits)
    connection = AcceptedConnection(accepted.detach(), ADDRESS)
    connection.framing = framing
    harness.connections.add(factory.create(connection))
    return client


@pytest.mark.parametrize(
    ("framing", "sent", "written"),
    [
        (Framing.NUL, b"one\0two\0", b"one\ntwo\n"),
        (Framing.NUL, b"one\n\0two\0rest", b"one\ntwo\nrest\n"),
        (Framing.NUL, b"one\nmore\0\0two\0", b"one\\nmore\n\ntwo\n"),
        (Framing.OCTET_COUNTING, b"3 one6 two\n\n\n", b"one\ntwo\\n\\n\n"),
        (Framing.OCTET_COUNTING, b"3 one9 tw", b"one\ntw\n"),
    ],
)
async def test_each_message_becomes_one_line_and_every_byte_is_accounted_for(
    harness: ReaderHarness, framing: Framing, sent: bytes, written: bytes
) -> None:
    with connect(harness, framing) as client:
        client.sendall(sent)
    await harness.all_closed()
    assert bytes(harness.written) == written
    came_in, went = harness.byte_totals()
    assert came_in == went


@pytest.mark.parametrize("framing", [Framing.NUL, Framing.OCTET_COUNTING])
async def test_an_unfinished_message_is_dropped_with_a_reset_and_counted(
    harness: ReaderHarness, framing: Framing
) -> None:
    client = connect(harness, framing)
    client.sendall(b"100 unfinished")
    await until(lambda: harness.reader.held_bytes)
    reset(client)
    await harness.all_closed()
    assert bytes(harness.written) == b""
    assert harness.metric("nodelog_dropped_lines_total", reason="reset") == 1
    came_in, went = harness.byte_totals()
    assert came_in == went


async def test_a_long_message_is_split_at_the_limit(harness: ReaderHarness) -> None:
    with connect(harness, Framing.NUL, LineLimits(1024)) as client:
        client.sendall(b"x" * 2500 + b"\0")
    await harness.all_closed()
    assert [len(line) for line in bytes(harness.written).splitlines()] == [1024, 1024, 452]
    assert harness.metric("nodelog_split_lines_total", reason="max-line") == 2


async def test_without_memory_the_longest_unfinished_message_is_written(harness: ReaderHarness) -> None:
    client = connect(harness, Framing.OCTET_COUNTING)
    client.sendall(b"600000 " + b"x" * 400_000)
    await until(lambda: harness.metric("nodelog_split_lines_total", reason="buffer"))
    client.sendall(b"x" * 200_000 + b"3 end")
    client.close()
    await harness.all_closed()
    assert bytes(harness.written).replace(b"\n", b"") == b"x" * 600_000 + b"end"
    assert bytes(harness.written).endswith(b"x\nend\n")
    came_in, went = harness.byte_totals()
    assert came_in == went


async def test_each_message_gets_its_stamp(harness: ReaderHarness) -> None:
    with connect(harness, Framing.NUL, LineLimits(1024, stamp=True)) as client:
        client.sendall(b"one\0two\0")
    await harness.all_closed()
    lines = bytes(harness.written).splitlines()
    assert [line.rpartition(b" ")[2] for line in lines] == [b"one", b"two"]
    assert all(b" 10.1.2.3:40000 " in line for line in lines)
