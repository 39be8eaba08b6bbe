"""The HTTP server on real sockets: silent, slow, hostile and vanished peers do no harm."""

import asyncio
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import ExitStack

import pytest
from tests.daemons.served_pages import RELAXED, connection_threads, get_page, send_raw, served_pages
from tests.waiting import PATIENCE, until

from nodelogd.service.http_server import HttpSettings

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: close sends a reset


@pytest.fixture
def no_trace(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Check that peers cause no output and no log records."""
    yield
    assert capfd.readouterr() == ("", "")
    assert not caplog.get_records("call")


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
    async with served_pages() as port:
        answer = await asyncio.to_thread(send_raw, port, request_)
        assert answer.startswith((b"HTTP/1.0 4", b"HTTP/1.0 505"))
        assert b"<html" not in answer.lower()


@pytest.mark.parametrize("request_", [b"", b"\r\n", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: x"])
@pytest.mark.usefixtures("no_trace")
async def test_a_peer_that_disconnects_early_leaves_no_trace(request_: bytes) -> None:
    async with served_pages() as port:
        await asyncio.to_thread(send_raw, port, request_)
        await until(lambda: not connection_threads())
        assert (await asyncio.to_thread(get_page, port, "/healthz"))[0] == 200


@pytest.mark.usefixtures("no_trace")
async def test_a_reset_during_a_request_leaves_no_trace() -> None:
    async with served_pages(HttpSettings()) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /hea")
            await until(lambda: bool(connection_threads()))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await until(lambda: not connection_threads())


@pytest.mark.usefixtures("no_trace")
async def test_a_reset_during_a_response_leaves_no_trace() -> None:
    released = threading.Event()

    def status() -> dict[str, object]:
        released.wait(PATIENCE)
        return {"much": "x" * 10_000_000}

    async with served_pages(status=status) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        released.set()
        await until(lambda: not connection_threads())


@pytest.mark.parametrize("seconds", [0.01, 5.0], ids=["by the server", "by its own thread"])
@pytest.mark.usefixtures("no_trace")
async def test_a_peer_that_does_not_read_is_cut(seconds: float) -> None:
    settings = HttpSettings(connection_timeout=0.1, check_interval=seconds)
    async with served_pages(settings, status=lambda: {"much": "x" * 20_000_000}) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            await until(lambda: bool(connection_threads()))
            await until(lambda: not connection_threads())


@pytest.mark.parametrize("seconds", [0.01, 5.0], ids=["by the server", "by its own thread"])
@pytest.mark.usefixtures("no_trace")
async def test_a_silent_peer_is_cut_after_the_timeout(seconds: float) -> None:
    async with served_pages(HttpSettings(connection_timeout=0.1, check_interval=seconds)) as port:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            assert await asyncio.wait_for(asyncio.to_thread(peer.recv, 1), timeout=PATIENCE) == b""


async def test_a_peer_that_sends_slowly_is_cut_after_the_timeout() -> None:
    def trickle(port: int) -> bool:
        """Send byte by byte; return whether the connection was cut."""
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

    async with served_pages(HttpSettings(connection_timeout=0.3, check_interval=0.05)) as port:
        assert await asyncio.to_thread(trickle, port)


async def test_silent_peers_neither_block_responses_nor_accumulate_threads() -> None:
    async with served_pages() as port:
        with ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                # The thread of a connection that was cut may still be ending.
                await until(lambda: len(connection_threads()) <= RELAXED.max_connections)
            assert (await asyncio.to_thread(get_page, port, "/healthz"))[0] == 200
