from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.wired import PATIENCE, Wired, reset, until

from nodelogd.collector.network import listener as module
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.listener import Listener, ListeningSockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FULL = "all 3 connections of --max-connections are open; others wait"


class Doorstep:
    """A door that lets three in, and clients before it."""

    def __init__(self, stack: ExitStack, *, stamp: bool = False) -> None:
        """Listen."""
        self.wired = Wired()
        stack.callback(self.wired.close)
        self._socket = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._socket.setblocking(False)
        self._stack = stack
        limits = LineLimits(1024 * 1024, stamp=stamp)
        self.listener = Listener(
            ListeningSockets([self._socket]),
            self.wired.connections,
            replace(self.wired.factory, limits=limits),
            self.wired.metrics,
            max_connections=3,
        )

    def knock(self) -> socket.socket:
        """Connect."""
        return self._stack.enter_context(
            socket.create_connection(self._socket.getsockname(), timeout=PATIENCE)
        )

    @property
    def inside(self) -> int:
        """Give the number of open connections."""
        return len(self.wired.connections)

    @property
    def waiting(self) -> bool:
        """Say whether somebody waits."""
        return self.wired.count("nodelog_accept_waiting") == 1


@pytest.fixture
async def doorstep() -> AsyncGenerator[Doorstep]:
    with ExitStack() as stack:
        yield Doorstep(stack)


async def test_nobody_is_accepted_before_it_opens(doorstep: Doorstep) -> None:
    doorstep.knock()
    await asyncio.sleep(0)
    assert doorstep.inside == 0
    doorstep.listener.start()
    await until(lambda: doorstep.inside == 1)
    assert doorstep.wired.count("nodelog_connections") == 1


async def test_beyond_the_limit_they_wait_and_are_served_when_one_leaves(
    doorstep: Doorstep, caplog: pytest.LogCaptureFixture
) -> None:
    doorstep.listener.start()
    clients = [doorstep.knock() for _ in range(5)]
    for number, client in enumerate(clients):
        client.sendall(b"%d\n" % number)
    await until(lambda: doorstep.waiting)
    assert doorstep.inside == 3
    for left in (2, 1):
        clients.pop(0).close()
        await until(lambda count=left: doorstep.waiting == (count > 1) and doorstep.inside == 3)  # type: ignore[misc]
    await until(lambda: len(doorstep.wired.written) == 10)
    assert doorstep.wired.count("nodelog_connections_accepted_total") == 5
    assert caplog.messages == [FULL]  # once, however often one comes and one goes


async def test_at_the_limit_nobody_waits_yet(doorstep: Doorstep, caplog: pytest.LogCaptureFixture) -> None:
    doorstep.listener.start()
    clients = [doorstep.knock() for _ in range(3)]
    for client in clients:
        client.sendall(b"x\n")
    await until(lambda: len(doorstep.wired.written) == 6)
    assert not doorstep.waiting
    assert caplog.messages == []


async def test_closing_takes_in_everybody_who_was_there_whatever_the_limit(doorstep: Doorstep) -> None:
    doorstep.listener.start()
    clients = [doorstep.knock() for _ in range(10)]
    for client in clients:
        client.sendall(b"x\n")
        client.close()
    doorstep.listener.close()
    await doorstep.wired.all_closed()
    assert doorstep.wired.written == b"x\n" * 10


async def test_who_was_gone_again_before_the_door_opened_is_no_trouble(doorstep: Doorstep) -> None:
    for _ in range(3):
        client = doorstep.knock()
        client.sendall(b"half")
        reset(client)
    doorstep.listener.start()
    await until(lambda: doorstep.wired.count("nodelog_connections_accepted_total") == 3)
    await doorstep.wired.all_closed()
    assert doorstep.wired.written == b""


async def test_without_a_free_descriptor_they_wait_and_it_is_said_once(
    doorstep: Doorstep, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    tries: list[int] = []
    watch = doorstep.listener._watch

    def try_again() -> None:
        tries.append(1)
        watch()

    monkeypatch.setattr(doorstep.listener, "_watch", try_again)
    client = doorstep.knock()
    client.sendall(b"waits\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        doorstep.listener.start()
        await until(lambda: len(tries) == 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    await until(lambda: doorstep.wired.written == b"waits\n")
    said = "cannot accept a connection: [Errno 24] Too many open files; it waits, retrying every 0.01 s"
    assert caplog.messages == [said]


async def test_a_stamp_names_the_peer() -> None:
    with ExitStack() as stack:
        doorstep = Doorstep(stack, stamp=True)
        doorstep.listener.start()
        client = doorstep.knock()
        client.sendall(b"hello\n")
        await until(lambda: doorstep.wired.written)
        host, port = client.getsockname()
        assert doorstep.wired.written.endswith(f"Z {host}:{port} hello\n".encode())
