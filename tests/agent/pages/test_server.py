import pytest
from aiohttp import ClientConnectionError, ClientSession, web

from nodeagent.pages.server import serving
from nodelogd.service.listening_sockets import Address, listen_on, port_of


async def test_an_application_is_served_while_the_block_runs() -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    sockets = listen_on(Address("127.0.0.1", 0))
    url = f"http://127.0.0.1:{port_of(sockets)}/"
    async with ClientSession() as session:
        async with serving(app, sockets), session.get(url) as response:
            assert await response.text() == "hello"
        with pytest.raises(ClientConnectionError):
            await session.get(url)
    assert [found.fileno() for found in sockets] == [-1]
