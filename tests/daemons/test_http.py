"""The HTTP port with real sockets: what it answers, and what peers cannot do to it."""

import asyncio
import http.client
import json
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Gauge
from tests.running import PATIENCE, wait_for
from tests.until import until

from nodelogd.health import Health
from nodelogd.http import HttpSettings, reporting
from nodelogd.sockets import Address, listening, port_of

EASY = HttpSettings(connections=4, timeout=2 * PATIENCE, drain=PATIENCE, beat_every=0.01, look_every=0.05)

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing resets


@asynccontextmanager
async def served(
    settings: HttpSettings = EASY,
    health: Health | None = None,
    status: Callable[[], dict[str, object]] = dict,
    host: str | None = "127.0.0.1",
) -> AsyncGenerator[int]:
    registry = CollectorRegistry()
    Gauge("answer", "What it is.", registry=registry).set(42)
    sockets = listening(Address(host, 0), "--http")
    port = port_of(sockets)
    async with reporting(sockets, health or Health(), registry, status, settings):
        yield port


def ask(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def say(port: int, request: bytes) -> bytes:
    """Send bytes as they are and read all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if "process_request" in each.name]


@pytest.fixture
def no_trace(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Nothing is written and nothing logged: what peers do is no news."""
    yield
    assert capfd.readouterr() == ("", "")
    assert not caplog.get_records("call")


async def test_every_page_is_shown_on_both_families() -> None:
    async with served(status=lambda: {"lines": 3}, host=None) as port:
        for host in ("127.0.0.1", "::1"):
            for path in ("/healthz", "/readyz", "/metrics", "/status"):
                code, body = await asyncio.to_thread(ask, port, path, "GET", host)
                assert code == 200
                assert body
        assert json.loads((await asyncio.to_thread(ask, port, "/status"))[1]) == {"lines": 3}


async def test_head_has_no_body_and_other_methods_are_refused() -> None:
    async with served() as port:
        assert await asyncio.to_thread(ask, port, "/metrics", "HEAD") == (200, b"")
        assert (await asyncio.to_thread(ask, port, "/metrics", "POST"))[0] == 405
        assert (await asyncio.to_thread(ask, port, "/"))[0] == 404


async def test_the_loop_beats_while_it_turns() -> None:
    beats: list[float] = []

    class Counted(Health):
        def beat(self) -> None:
            beats.append(time.monotonic())
            super().beat()

    async with served(health=Counted()):
        await until(lambda: len(beats) > 3)
    count = len(beats)
    await asyncio.sleep(EASY.beat_every * 3)  # beating on would be a bug; there is no fact to wait for
    assert len(beats) == count


async def test_a_stalled_loop_is_reported_while_it_is_stalled() -> None:
    async with served(health=Health(stalled_after=0.1)) as port:
        while (await asyncio.to_thread(ask, port, "/healthz"))[0] != 200:
            pass  # a busy machine may stall any loop
        # From here on the loop does not turn: the request is made in its own thread.
        wait_for(lambda: ask(port, "/healthz")[0] == 503)
        code, body = ask(port, "/healthz")
        assert (code, json.loads(body)["status"]) == (503, "stalled")
        assert ask(port, "/readyz")[0] == 503


@pytest.mark.parametrize(
    "request_",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/x.y\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /healthz\r\n\r\n",
        b"\x00\x00 \xff\xff \x80\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\n\r\n",
    ],
)
@pytest.mark.usefixtures("no_trace")
async def test_garbage_gets_an_error_with_a_status_line_and_no_traceback(request_: bytes) -> None:
    async with served() as port:
        answer = await asyncio.to_thread(say, port, request_)
        assert answer.startswith((b"HTTP/1.0 4", b"HTTP/1.0 505"))
        assert b"<html" not in answer.lower()


@pytest.mark.parametrize("request_", [b"", b"\r\n", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: x"])
@pytest.mark.usefixtures("no_trace")
async def test_a_peer_that_leaves_early_leaves_no_trace(request_: bytes) -> None:
    async with served() as port:
        await asyncio.to_thread(say, port, request_)
        await until(lambda: not threads())
        assert (await asyncio.to_thread(ask, port, "/healthz"))[0] == 200


@pytest.mark.usefixtures("no_trace")
async def test_a_peer_that_resets_in_the_middle_of_a_request_leaves_no_trace() -> None:
    async with served(HttpSettings()) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /hea")
            await until(lambda: bool(threads()))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await until(lambda: not threads())


@pytest.mark.usefixtures("no_trace")
async def test_a_peer_that_resets_in_the_middle_of_an_answer_leaves_no_trace() -> None:
    going = threading.Event()

    def status() -> dict[str, object]:
        going.wait(PATIENCE)
        return {"much": "x" * 10_000_000}

    async with served(status=status) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        going.set()
        await until(lambda: not threads())


@pytest.mark.parametrize("seconds", [0.01, 5.0], ids=["from outside", "by its own thread"])
@pytest.mark.usefixtures("no_trace")
async def test_a_peer_that_does_not_read_is_cut(seconds: float) -> None:
    settings = HttpSettings(timeout=0.1, look_every=seconds)
    async with served(settings, status=lambda: {"much": "x" * 20_000_000}) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            await until(lambda: bool(threads()))
            await until(lambda: not threads())


@pytest.mark.parametrize("seconds", [0.01, 5.0], ids=["from outside", "by its own thread"])
@pytest.mark.usefixtures("no_trace")
async def test_a_silent_peer_is_cut_in_time(seconds: float) -> None:
    async with served(HttpSettings(timeout=0.1, look_every=seconds)) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            assert await asyncio.wait_for(asyncio.to_thread(peer.recv, 1), timeout=PATIENCE) == b""


async def test_a_peer_that_sends_a_byte_now_and_then_is_cut_in_time() -> None:
    def trickle(port: int) -> bool:
        """Say whether it was cut."""
        with socket.create_connection(("127.0.0.1", port), timeout=0.05) as peer:
            for byte in b"GET /healthz HTTP/1.1\r\nx: " + b"y" * 1000:
                try:
                    peer.sendall(bytes([byte]))
                    if peer.recv(1) == b"":
                        return True
                except TimeoutError:
                    continue
                except OSError:
                    return True
        return False

    async with served(HttpSettings(timeout=0.3, look_every=0.05)) as port:
        assert await asyncio.to_thread(trickle, port)


async def test_silent_peers_keep_nobody_from_an_answer_and_pile_up_no_threads() -> None:
    async with served() as port:
        with ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                await until(
                    lambda: len(threads()) <= EASY.connections
                )  # one that was cut may still be ending
            assert (await asyncio.to_thread(ask, port, "/healthz"))[0] == 200


async def test_threads_that_hang_in_our_own_code_are_bounded_too() -> None:
    hanging = threading.Event()

    def hangs() -> dict[str, object]:
        hanging.wait(PATIENCE)
        return {}

    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(HttpSettings(connections=2), status=hangs))
        stack.callback(hanging.set)
        for _ in range(3):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            peer.sendall(b"GET /status HTTP/1.1\r\n\r\n")
        peer.settimeout(PATIENCE)
        with pytest.raises((ConnectionError, AssertionError)):
            assert await asyncio.to_thread(peer.recv, 1)
        assert len(threads()) == 2


async def test_the_end_waits_for_no_silent_peer_and_closes_everything() -> None:
    with ExitStack() as silent:
        async with served(HttpSettings(timeout=2 * PATIENCE), host=None) as port:
            for _ in range(3):
                silent.enter_context(socket.create_connection(("127.0.0.1", port)))
            await until(lambda: len(threads()) == 3)
        await until(lambda: not threads())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


async def test_an_answer_under_way_is_sent_at_the_end() -> None:
    asked, going = threading.Event(), threading.Event()

    def status() -> dict[str, object]:
        asked.set()
        going.wait(PATIENCE)
        return {"still": "here"}

    async with served(status=status) as port:
        answer = asyncio.create_task(asyncio.to_thread(ask, port, "/status"))
        await until(asked.is_set)
        asyncio.get_running_loop().call_later(0.05, going.set)
    assert (await answer)[0] == 200


@pytest.fixture
def few_descriptors() -> Generator[Callable[[], None]]:
    """Leave this process no descriptor from the call on, until the test ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave_none() -> None:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))

    yield leave_none
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_descriptors_left_it_waits_and_does_not_spin(
    few_descriptors: Callable[[], None],
) -> None:
    async with served(HttpSettings()) as port:
        with socket.socket() as peer:
            few_descriptors()
            peer.connect(("127.0.0.1", port))
            before = time.process_time()
            await asyncio.sleep(0.5)  # the time over which the processor is watched
            assert time.process_time() - before < 0.25


async def test_without_threads_left_a_peer_is_refused_and_the_log_says_why_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("socketserver.ThreadingMixIn.process_request", no_thread)
    async with served(host=None) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
                assert await asyncio.to_thread(peer.recv, 1) == b""
    assert caplog.messages == ["cannot answer over HTTP: can't start new thread"]
