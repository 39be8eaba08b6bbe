from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import ReaderHarness, reset, until

from nodelogd.collector.network.unfinished_lines import MUCH, UnfinishedLines

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def lines(harness: ReaderHarness) -> UnfinishedLines:
    return UnfinishedLines(harness.connections, harness.metrics)


async def send(harness: ReaderHarness, data: bytes) -> Callable[[], None]:
    """Send bytes without an LF on a connection; return what resets it."""
    client = harness.connect()
    before = harness.reader.held_bytes
    client.sendall(data)
    await until(lambda: harness.reader.held_bytes == before + len(data))
    return lambda: reset(client)


@pytest.mark.parametrize(
    ("data", "warning"),
    [(b"x" * MUCH, "4096 bytes"), (b"one\0", "framing=nul"), (b"9 <14>", "octet-counting")],
)
async def test_much_without_an_lf_or_another_framing_is_reported_once_it_stays(
    harness: ReaderHarness,
    lines: UnfinishedLines,
    data: bytes,
    warning: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await send(harness, data)
    lines.check()
    assert caplog.messages == []
    for _ in range(3):
        lines.check()
        assert harness.metric("nodelog_unended_connections") == 1
    (message,) = caplog.messages
    assert warning in message
    assert "127.0.0.1:" in message


async def test_a_line_that_is_not_complete_yet_is_no_reason(
    harness: ReaderHarness, lines: UnfinishedLines, caplog: pytest.LogCaptureFixture
) -> None:
    await send(harness, b"x" * (MUCH - 1))
    await send(harness, b"half a line")
    for _ in range(3):
        lines.check()
    assert harness.metric("nodelog_unended_connections") == 0
    assert caplog.messages == []


async def test_a_connection_that_ends_its_line_is_no_longer_counted(
    harness: ReaderHarness, lines: UnfinishedLines
) -> None:
    client = harness.connect()
    client.sendall(b"x" * MUCH)
    await until(lambda: harness.reader.held_bytes == MUCH)
    lines.check()
    lines.check()
    assert harness.metric("nodelog_unended_connections") == 1
    client.sendall(b"\n")
    await until(lambda: len(harness.written) == MUCH + 1)
    lines.check()
    assert harness.metric("nodelog_unended_connections") == 0


async def test_a_dropped_line_is_reported_with_its_size_and_what_it_looks_like(
    harness: ReaderHarness, lines: UnfinishedLines, caplog: pytest.LogCaptureFixture
) -> None:
    for end in [await send(harness, b"one\0"), await send(harness, b"half")]:
        end()
    await harness.all_closed()
    (message,) = caplog.messages  # the second one within the minute is suppressed
    assert message.startswith("dropped 4 bytes of ")
    assert "(reset)" in message
    lines.report_stop()
    assert len(caplog.messages) == 1


async def test_what_the_stop_drops_is_reported_in_one_line(
    harness: ReaderHarness, lines: UnfinishedLines, caplog: pytest.LogCaptureFixture
) -> None:
    await send(harness, b"plain")
    await send(harness, b"one\0")
    for connection in harness.connections:
        harness.connections.close(connection, "stop")
    assert caplog.messages == []
    lines.report_stop()
    (message,) = caplog.messages
    assert "dropped the last 9 bytes of 2 connections" in message
    assert "framing=nul" in message
