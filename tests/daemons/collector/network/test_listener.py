from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import PATIENCE, ReaderHarness, reset, until

from nodelogd.collector.network import listener as module
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.listener import Listener, ListeningSockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FULL = "all 3 connections of --max-connections are open; others wait"


class ListenerHarness:
    """A listener with a limit of three connections, and its clients."""

    def __init__(self, stack: ExitStack, *, stamp: bool = False) -> None:
        """Create the listener without starting it."""
        self.reading = ReaderHarness()
        stack.callback(self.reading.close)
        self._socket = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._socket.setblocking(False)
        self._stack = stack
        limits = LineLimits(1024 * 1024, stamp=stamp)
        self.listener = Listener(
            ListeningSockets([self._socket]),
            self.reading.reader,
            replace(self.reading.factory, limits=limits),
            self.reading.metrics,
            max_connections=3,
        )

    def connect(self) -> socket.socket:
        """Return a connected client."""
        return self._stack.enter_context(
            socket.create_connection(self._socket.getsockname(), timeout=PATIENCE)
        )

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return len(self.reading.connections)

    @property
    def is_waiting(self) -> bool:
        """True while the metric says that connections wait."""
        return self.reading.metric("nodelog_accept_waiting") == 1


@pytest.fixture
async def harness() -> AsyncGenerator[ListenerHarness]:
    with ExitStack() as stack:
        yield ListenerHarness(stack)


async def test_no_connection_is_accepted_before_the_start(harness: ListenerHarness) -> None:
    harness.connect()
    await asyncio.sleep(0)
    assert harness.open_connections == 0
    harness.listener.start()
    await until(lambda: harness.open_connections == 1)
    assert harness.reading.metric("nodelog_connections") == 1


async def test_connections_beyond_the_limit_wait_until_another_one_closes(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.listener.start()
    clients = [harness.connect() for _ in range(5)]
    for number, client in enumerate(clients):
        client.sendall(b"%d\n" % number)
    await until(lambda: harness.is_waiting)
    assert harness.open_connections == 3
    for left in (2, 1):
        clients.pop(0).close()
        await until(lambda count=left: harness.is_waiting == (count > 1) and harness.open_connections == 3)  # type: ignore[misc]
    await until(lambda: len(harness.reading.written) == 10)
    assert harness.reading.metric("nodelog_connections_accepted_total") == 5
    assert caplog.messages == [FULL]  # once, however many come and go


async def test_exactly_at_the_limit_no_connection_waits(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.listener.start()
    clients = [harness.connect() for _ in range(3)]
    for client in clients:
        client.sendall(b"x\n")
    await until(lambda: len(harness.reading.written) == 6)
    assert not harness.is_waiting
    assert caplog.messages == []


async def test_closing_accepts_all_established_connections_even_beyond_the_limit(
    harness: ListenerHarness,
) -> None:
    harness.listener.start()
    clients = [harness.connect() for _ in range(10)]
    for client in clients:
        client.sendall(b"x\n")
        client.close()
    harness.listener.close()
    await harness.reading.all_closed()
    assert harness.reading.written == b"x\n" * 10


async def test_a_connection_that_ends_while_the_sockets_are_closed_does_not_watch_them_again(
    harness: ListenerHarness,
) -> None:
    harness.listener.start()
    harness.connect().sendall(b"1 open 14 relp_version=0?")
    descriptor = harness._socket.fileno()
    harness.listener.close()
    assert harness.reading.metric("nodelog_connections_closed_total", reason="protocol") == 1
    assert not asyncio.get_running_loop().remove_reader(descriptor)


async def test_connections_reset_before_the_start_are_handled(harness: ListenerHarness) -> None:
    for _ in range(3):
        client = harness.connect()
        client.sendall(b"half")
        reset(client)
    harness.listener.start()
    await until(lambda: harness.reading.metric("nodelog_connections_accepted_total") == 3)
    await harness.reading.all_closed()
    assert harness.reading.written == b""


async def test_without_a_free_descriptor_connections_wait_and_it_is_logged_once(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    tries: list[int] = []
    watch = harness.listener._watch

    def try_again() -> None:
        tries.append(1)
        watch()

    monkeypatch.setattr(harness.listener, "_watch", try_again)
    client = harness.connect()
    client.sendall(b"waits\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        harness.listener.start()
        await until(lambda: len(tries) == 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    await until(lambda: harness.reading.written == b"waits\n")
    message = "cannot accept a connection: [Errno 24] Too many open files; it waits, retrying every 0.01 s"
    assert caplog.messages == [message]


@pytest.mark.parametrize("is_relp", [False, True])
async def test_a_connection_that_cannot_be_watched_is_closed_and_leaves_nothing_behind(
    harness: ListenerHarness,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_relp: bool,
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    harness.listener._relp_sockets = frozenset([harness._socket] if is_relp else [])
    reading, add = harness.reading, harness.reading.connections.add

    def fail(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(reading.connections, "add", fail)
    client = harness.connect()
    client.sendall(b"begun")
    harness.listener.start()
    await until(lambda: reading.metric("nodelog_connections_closed_total", reason="no memory") == 1)
    monkeypatch.setattr(reading.connections, "add", add)
    assert len(reading.connections) == len(reading.clients._unopened) == 0
    assert reading.metric("nodelog_connections_accepted_total") == 1
    why = "cannot watch a connection: [Errno 28] No space left on device"
    assert caplog.messages == [f"{why}; it was closed, accepting again in 0.01 s"]
    assert reading.byte_totals()[0] == reading.byte_totals()[1]
    harness.listener._relp_sockets = frozenset()
    harness.connect().sendall(b"works again\n")
    await until(lambda: reading.written == b"works again\n")


async def test_short_connections_never_use_up_the_limit(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [harness.connect() for _ in range(50)]
    for client in clients:
        client.sendall(b"short\n")
        client.shutdown(socket.SHUT_WR)
    harness.listener.start()
    await until(lambda: len(harness.reading.written) == 50 * len(b"short\n"))
    assert harness.reading.metric("nodelog_connections_accepted_total") == 50
    assert caplog.messages == []


async def test_while_reading_is_paused_connections_are_accepted_up_to_the_limit(
    harness: ListenerHarness,
) -> None:
    harness.reading.reader.pause()
    harness.listener.start()
    for _ in range(5):
        client = harness.connect()
        client.sendall(b"x\n")
        client.shutdown(socket.SHUT_WR)
    await until(lambda: harness.is_waiting)
    assert harness.open_connections == 3
    assert harness.reading.metric("nodelog_received_bytes_total") == 0
    harness.reading.reader.resume()
    await until(lambda: harness.reading.written == b"x\n" * 5)


async def test_a_stamp_names_the_peer() -> None:
    with ExitStack() as stack:
        harness = ListenerHarness(stack, stamp=True)
        harness.listener.start()
        client = harness.connect()
        client.sendall(b"hello\n")
        await until(lambda: harness.reading.written)
        host, port = client.getsockname()
        assert harness.reading.written.endswith(f"Z {host}:{port} hello\n".encode())
