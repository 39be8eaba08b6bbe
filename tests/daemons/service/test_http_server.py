"""The HTTP server on real sockets: its pages, its shutdown, and running out of descriptors."""

import asyncio
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, ExitStack

import pytest
from tests.daemons.served_pages import RELAXED, connection_threads, get_page, served_pages
from tests.waiting import PATIENCE, until, wait_for

from nodelogd.service.health import Health
from nodelogd.service.http_server import HttpSettings


async def test_every_page_is_served_on_both_address_families() -> None:
    async with served_pages(status=lambda: {"lines": 3}, host=None) as port:
        for host in ("127.0.0.1", "::1"):
            for path in ("/healthz", "/readyz", "/metrics", "/status"):
                code, body = await asyncio.to_thread(get_page, port, path, "GET", host)
                assert code == 200
                assert body
        assert json.loads((await asyncio.to_thread(get_page, port, "/status"))[1]) == {"lines": 3}


async def test_head_has_no_body_and_other_methods_are_refused() -> None:
    async with served_pages() as port:
        assert await asyncio.to_thread(get_page, port, "/metrics", "HEAD") == (200, b"")
        assert (await asyncio.to_thread(get_page, port, "/metrics", "POST"))[0] == 405
        assert (await asyncio.to_thread(get_page, port, "/"))[0] == 404


async def test_heartbeats_are_recorded_while_the_loop_runs() -> None:
    beats: list[float] = []

    class Counted(Health):
        def beat(self) -> None:
            beats.append(time.monotonic())
            super().beat()

    async with served_pages(health=Counted()):
        await until(lambda: len(beats) > 3)
    count = len(beats)
    await asyncio.sleep(RELAXED.heartbeat_interval * 3)  # no fact to wait for: a further beat would be a bug
    assert len(beats) == count


async def test_a_stalled_loop_is_reported_during_the_stall() -> None:
    async with served_pages(health=Health(stalled_after=0.1)) as port:
        while (await asyncio.to_thread(get_page, port, "/healthz"))[0] != 200:
            pass  # a busy machine may stall any loop
        # From here on, the loop does not turn: these requests block its thread.
        wait_for(lambda: get_page(port, "/healthz")[0] == 503)
        code, body = get_page(port, "/healthz")
        assert (code, json.loads(body)["status"]) == (503, "stalled")
        assert get_page(port, "/readyz")[0] == 503


async def test_threads_that_hang_in_a_page_are_bounded() -> None:
    hanging = threading.Event()

    def hang() -> dict[str, object]:
        hanging.wait(PATIENCE)
        return {}

    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served_pages(HttpSettings(max_connections=2), status=hang))
        stack.callback(hanging.set)
        for _ in range(3):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            peer.sendall(b"GET /status HTTP/1.1\r\n\r\n")
        peer.settimeout(PATIENCE)
        with pytest.raises((ConnectionError, AssertionError)):
            assert await asyncio.to_thread(peer.recv, 1)
        assert len(connection_threads()) == 2


async def test_shutdown_closes_everything_without_waiting_for_silent_peers() -> None:
    with ExitStack() as silent:
        async with served_pages(HttpSettings(connection_timeout=2 * PATIENCE), host=None) as port:
            for _ in range(3):
                silent.enter_context(socket.create_connection(("127.0.0.1", port)))
            await until(lambda: len(connection_threads()) == 3)
        await until(lambda: not connection_threads())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


async def test_a_response_in_progress_is_sent_at_shutdown() -> None:
    requested, released = threading.Event(), threading.Event()

    def status() -> dict[str, object]:
        requested.set()
        released.wait(PATIENCE)
        return {"still": "here"}

    async with served_pages(status=status) as port:
        response = asyncio.create_task(asyncio.to_thread(get_page, port, "/status"))
        await until(requested.is_set)
        asyncio.get_running_loop().call_later(0.05, released.set)
    assert (await response)[0] == 200


@pytest.fixture
def few_descriptors() -> Generator[Callable[[], None]]:
    """Return a function that leaves this process no free descriptor until the test ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave_none() -> None:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))

    yield leave_none
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_free_descriptors_it_waits_without_a_busy_loop(
    few_descriptors: Callable[[], None],
) -> None:
    async with served_pages(HttpSettings()) as port:
        with socket.socket() as peer:
            few_descriptors()
            peer.connect(("127.0.0.1", port))
            before = time.process_time()
            await asyncio.sleep(0.5)  # the time over which CPU time is measured
            assert time.process_time() - before < 0.25


async def test_if_no_thread_can_start_a_peer_is_refused_and_the_reason_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("socketserver.ThreadingMixIn.process_request", no_thread)
    async with served_pages(host=None) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
                assert await asyncio.to_thread(peer.recv, 1) == b""
    assert caplog.messages == ["cannot answer over HTTP: can't start new thread"]
