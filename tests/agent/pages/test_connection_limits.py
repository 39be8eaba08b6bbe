import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web
from tests.waiting import until

from nodeagent.pages.connection_limits import ConnectionLimits

HALF, WHOLE = b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[ConnectionLimits], AbstractAsyncContextManager[int]]


class SlowPage:
    """A page that answers once it may."""

    def __init__(self) -> None:
        self.requested, self.released = asyncio.Event(), asyncio.Event()

    async def get(self, _: web.Request) -> web.Response:
        """Answer `done`."""
        self.requested.set()
        await self.released.wait()
        return web.Response(text="done")


@asynccontextmanager
async def serving(limits: ConnectionLimits, page: SlowPage) -> AsyncGenerator[int]:
    """Serve the page; yield the port."""
    app = web.Application(middlewares=[limits.middleware()])
    app.router.add_get("/", page.get)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(limits.limited(runner.server), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await runner.cleanup()


async def connect(port: int, request: bytes) -> Peer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return reader, writer


async def is_cut(peer: Peer) -> bool:
    try:
        return not await peer[0].read(1)
    except ConnectionResetError:
        return True
    finally:
        peer[1].close()


async def test_half_a_request_is_cut_after_the_timeout() -> None:
    async with serving(ConnectionLimits(timeout=0.05), SlowPage()) as port:
        assert await is_cut(await connect(port, HALF))


async def test_of_too_many_half_requests_the_oldest_is_cut_and_a_whole_one_is_served() -> None:
    page = SlowPage()
    page.released.set()
    async with serving(ConnectionLimits(max_connections=3, timeout=60), page) as port:
        peers = [await connect(port, HALF) for _ in range(10)]
        reader, writer = await connect(port, WHOLE)
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 OK")
        assert all([await is_cut(peer) for peer in peers[:7]])
        for _, other in (*peers[7:], (reader, writer)):
            other.close()


async def test_a_request_that_is_being_handled_is_neither_timed_out_nor_counted() -> None:
    page, limits = SlowPage(), ConnectionLimits(max_connections=1, timeout=0.05)
    async with serving(limits, page) as port:
        reader, writer = await connect(port, WHOLE)
        await page.requested.wait()
        assert await is_cut(await connect(port, HALF))
        page.released.set()
        assert b"done" in await reader.readuntil(b"done")
        assert await is_cut((reader, writer))  # it waits for a second request
        await until(lambda: not limits._waiting)


@pytest.mark.parametrize("request_", [HALF, WHOLE])
async def test_a_peer_that_leaves_is_forgotten(request_: bytes) -> None:
    page, limits = SlowPage(), ConnectionLimits(timeout=60)
    async with serving(limits, page) as port:
        _, writer = await connect(port, request_)
        await until(lambda: bool(limits._waiting) or page.requested.is_set())
        writer.close()
        page.released.set()
        await until(lambda: not limits._waiting)
