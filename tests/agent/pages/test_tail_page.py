import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from tests.waiting import until

from nodeagent.metrics import Metrics
from nodeagent.pages import tail_page
from nodeagent.pages.server import serving
from nodeagent.pages.tail_page import MAX_READERS, TailPage
from nodelogd.service.listening_sockets import Address, listen_on, port_of

AUTHORIZED = {"Authorization": "Bearer s3cret"}


class ServedLog:
    """A log and the URL of its /tail."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "node_log"
        self.log.write_text("one\ntwo\n")
        self.token = folder / "token"
        self.token.write_text("s3cret\n")
        self.metrics = Metrics()
        self.url = ""

    def append(self, data: bytes) -> None:
        """Append to the log."""
        with self.log.open("ab") as file:
            file.write(data)

    def value(self, name: str) -> float | None:
        """Return the value of a metric."""
        return self.metrics.registry.get_sample_value(f"nodelog_agent_tail_{name}")


@pytest.fixture
async def tail(tmp_path: Path) -> AsyncGenerator[ServedLog]:
    tail = ServedLog(tmp_path)
    sockets = listen_on(Address("127.0.0.1", 0))
    tail.url = f"http://127.0.0.1:{port_of(sockets)}/tail"
    async with serving(TailPage(tail.log, tail.token, tail.metrics).application(), sockets):
        yield tail
    for found in sockets:
        found.close()


@pytest.fixture
async def session() -> AsyncGenerator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def next_event(response: ClientResponse) -> tuple[str, Any]:
    """Read the next event, and skip comments."""
    name = (await response.content.readline()).decode()
    while name == ":\n":
        await response.content.readline()
        name = (await response.content.readline()).decode()
    data = (await response.content.readline()).decode()
    assert await response.content.readline() == b"\n"
    return name.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))


async def test_a_reader_gets_the_last_lines_and_the_new_ones(tail: ServedLog, session: ClientSession) -> None:
    async with session.get(tail.url, headers=AUTHORIZED, params={"lines": "1"}) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await next_event(response) == ("lines", ["two"])
        tail.append(b"three\n")
        assert await next_event(response) == ("lines", ["three"])
        assert tail.value("readers") == 1
    while tail.value("readers") != 0:
        tail.append(b"more\n")
        await asyncio.sleep(0.01)


async def test_a_filter_passes_only_lines_with_its_text(tail: ServedLog, session: ClientSession) -> None:
    async with session.get(tail.url, headers=AUTHORIZED, params={"filter": "é 5"}) as response:
        tail.append("é 4\né 5\n".encode())
        assert await next_event(response) == ("lines", ["é 5"])


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer s3cre"}, {"Authorization": "s3cret"}])
async def test_a_request_without_the_token_is_unauthorized(
    headers: dict[str, str], tail: ServedLog, session: ClientSession
) -> None:
    async with session.get(tail.url, headers=headers) as response:
        assert (response.status, await response.text()) == (401, "the token is wrong\n")


@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_without_a_token_in_the_file_every_request_is_unauthorized(
    content: str | None, tail: ServedLog, session: ClientSession
) -> None:
    tail.token.unlink()
    if content is not None:
        tail.token.write_text(content)
    for headers in ({"Authorization": "Bearer "}, AUTHORIZED):
        async with session.get(tail.url, headers=headers) as response:
            assert response.status == 401


async def test_a_changed_token_applies_to_the_next_request(tail: ServedLog, session: ClientSession) -> None:
    tail.token.write_text("new")
    async with session.get(tail.url, headers={"Authorization": "Bearer new"}) as response:
        assert response.status == 200


@pytest.mark.parametrize("lines", ["-1", "x", "1001", "٣"])
async def test_a_wrong_number_of_lines_is_refused(
    lines: str, tail: ServedLog, session: ClientSession
) -> None:
    async with session.get(tail.url, headers=AUTHORIZED, params={"lines": lines}) as response:
        assert (response.status, await response.text()) == (400, "lines is a number from 0 to 1000\n")


async def test_a_reader_above_the_limit_is_refused(tail: ServedLog, session: ClientSession) -> None:
    responses = [await session.get(tail.url, headers=AUTHORIZED) for _ in range(MAX_READERS)]
    async with session.get(tail.url, headers=AUTHORIZED) as response:
        assert response.status == 503
    for response in responses:
        response.close()


async def test_a_slow_reader_skips_lines_and_the_stream_says_how_many_bytes(
    tail: ServedLog, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_page, "POLL_INTERVAL", 0.001)
    async with session.get(tail.url, headers=AUTHORIZED, params={"lines": "1"}) as response:
        assert await next_event(response) == ("lines", ["two"])
        written, line = 0, b"x" * 999 + b"\n"

        def has_skipped() -> bool:
            nonlocal written
            tail.append(line * 100)  # and nobody reads: the buffers of the kernel fill up, then the queue
            written += 100
            return tail.value("skipped_bytes_total") != 0

        await until(has_skipped)
        tail.append(b"last\n")
        seen = skipped = 0
        async with asyncio.timeout(30):
            while True:
                match await next_event(response):
                    case "skipped", {"bytes": size}:
                        skipped += size
                    case "lines", [*lines]:
                        seen += sum(len(line) + 1 for line in lines)
                        if lines[-1] == "last":
                            break
        assert skipped > 0
        assert seen + skipped == written * len(line) + len("last\n")


async def test_a_log_that_cannot_be_read_ends_the_stream_with_the_reason(
    tail: ServedLog, session: ClientSession
) -> None:
    tail.log.unlink()
    tail.log.mkdir()
    async with session.get(tail.url, headers=AUTHORIZED) as response:
        expected = {"why": f"cannot read {tail.log}: Is a directory"}
        assert await next_event(response) == ("failed", expected)
        assert await response.content.read() == b""
