import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from tests.waiting import until

from nodeagent.metrics import Metrics
from nodeagent.pages.status_pages import serving
from nodeagent.tail import event_stream
from nodeagent.tail.event_stream import NOTES, OUTBOX, READERS, Outbox, Tail, encoded, fitted
from nodeagent.tail.log_follower import Follower, Lines, Skipped, Truncated
from nodelogd.service.listening_sockets import Address, listen_on, port_of

RIGHT = {"Authorization": "Bearer s3cret"}


class Served:
    """A log, and /tail on it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "node_log"
        self.log.write_text("one\ntwo\n")
        self.token = folder / "token"
        self.token.write_text("s3cret\n")
        self.metrics = Metrics()
        self.url = ""

    def append(self, data: bytes) -> None:
        """Let the log grow."""
        with self.log.open("ab") as file:
            file.write(data)

    def value(self, name: str) -> float | None:
        """Give the value of a metric."""
        return self.metrics.registry.get_sample_value(f"nodelog_agent_tail_{name}")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Served]:
    served = Served(tmp_path)
    sockets = listen_on(Address("127.0.0.1", 0))
    served.url = f"http://127.0.0.1:{port_of(sockets)}/tail"
    async with serving(Tail(served.log, served.token, served.metrics).application(), sockets):
        yield served
    for found in sockets:
        found.close()


@pytest.fixture
async def session() -> AsyncGenerator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def event(answer: ClientResponse) -> tuple[str, Any]:
    """Give the next event."""
    name = (await answer.content.readline()).decode()
    while name == ":\n":
        await answer.content.readline()
        name = (await answer.content.readline()).decode()
    data = (await answer.content.readline()).decode()
    assert await answer.content.readline() == b"\n"
    return name.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))


async def test_a_reader_sees_the_last_lines_and_what_comes(served: Served, session: ClientSession) -> None:
    async with session.get(served.url, headers=RIGHT, params={"lines": "1"}) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await event(answer) == ("lines", ["two"])
        served.append(b"three\n")
        assert await event(answer) == ("lines", ["three"])
        assert served.value("readers") == 1
    while served.value("readers") != 0:
        served.append(b"more\n")
        await asyncio.sleep(0.01)


async def test_only_lines_with_the_text_come(served: Served, session: ClientSession) -> None:
    async with session.get(served.url, headers=RIGHT, params={"filter": "é 5"}) as answer:
        served.append("é 4\né 5\n".encode())
        assert await event(answer) == ("lines", ["é 5"])


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer s3cre"}, {"Authorization": "s3cret"}])
async def test_nobody_gets_through_without_the_token(
    headers: dict[str, str], served: Served, session: ClientSession
) -> None:
    async with session.get(served.url, headers=headers) as answer:
        assert (answer.status, await answer.text()) == (401, "the token is wrong\n")


@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_without_a_token_in_the_file_nobody_gets_through(
    content: str | None, served: Served, session: ClientSession
) -> None:
    served.token.unlink()
    if content is not None:
        served.token.write_text(content)
    for headers in ({"Authorization": "Bearer "}, RIGHT):
        async with session.get(served.url, headers=headers) as answer:
            assert answer.status == 401


async def test_a_token_may_be_changed(served: Served, session: ClientSession) -> None:
    served.token.write_text("new")
    async with session.get(served.url, headers={"Authorization": "Bearer new"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("lines", ["-1", "x", "1001", "٣"])
async def test_a_wrong_number_of_lines_is_refused(lines: str, served: Served, session: ClientSession) -> None:
    async with session.get(served.url, headers=RIGHT, params={"lines": lines}) as answer:
        assert (answer.status, await answer.text()) == (400, "lines is a number from 0 to 1000\n")


async def test_there_are_never_too_many_readers(served: Served, session: ClientSession) -> None:
    answers = [await session.get(served.url, headers=RIGHT) for _ in range(READERS)]
    async with session.get(served.url, headers=RIGHT) as answer:
        assert answer.status == 503
    for answer in answers:
        answer.close()


async def test_a_slow_reader_skips_and_is_told_how_much(
    served: Served, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "LOOK_EVERY", 0.001)
    async with session.get(served.url, headers=RIGHT, params={"lines": "1"}) as answer:
        assert await event(answer) == ("lines", ["two"])
        written, line = 0, b"x" * 999 + b"\n"

        def has_skipped() -> bool:
            nonlocal written
            served.append(line * 100)  # and nobody reads: the buffers of the kernel fill, then the outbox
            written += 100
            return served.value("skipped_bytes_total") != 0

        await until(has_skipped)
        served.append(b"last\n")
        seen = skipped = 0
        async with asyncio.timeout(30):
            while True:
                match await event(answer):
                    case "skipped", {"bytes": size}:
                        skipped += size
                    case "lines", [*lines]:
                        seen += sum(len(line) + 1 for line in lines)
                        if lines[-1] == "last":
                            break
        assert skipped > 0
        assert seen + skipped == written * len(line) + len("last\n")


async def test_a_log_that_cannot_be_read_is_told(served: Served, session: ClientSession) -> None:
    served.log.unlink()
    served.log.mkdir()
    async with session.get(served.url, headers=RIGHT) as answer:
        expected = {"why": f"cannot read {served.log}: Is a directory"}
        assert await event(answer) == ("failed", expected)
        assert await answer.content.read() == b""


def test_no_byte_of_a_line_is_part_of_the_protocol() -> None:
    lines = [b"\r\n\r\nevent: lines", b"</script>\xff\x1b[2J", "\u2028".encode()]
    sent, _ = encoded(Lines(lines), b"", OUTBOX)
    head, body, end = sent.split(b"\n", 2)
    assert (head, end) == (b"event: lines", b"\n")
    assert all(32 <= byte < 127 for byte in body)
    texts = json.loads(body.removeprefix(b"data: "))
    assert [text.encode(errors="surrogateescape") for text in texts] == lines


def test_what_nobody_wants_is_not_sent() -> None:
    assert encoded(Lines([b"a"]), b"b", OUTBOX) == (b"", 0)
    assert encoded(Skipped(5), b"b", OUTBOX) == (b'event: skipped\ndata: {"bytes": 5}\n\n', 5)
    assert encoded(Truncated(), b"b", OUTBOX) == (b"event: truncated\ndata: {}\n\n", 0)


def test_lines_that_are_longer_as_they_are_sent_are_skipped_and_told() -> None:
    lines = [b"one", b"\0" * 10, b"three"]
    nulls = '"' + "\\u0000" * 10 + '"'
    assert fitted(lines, b"", 100) == (['"one"', nulls, '"three"'], 0)
    assert fitted(lines, b"", 73) == ([nulls, '"three"'], len(b"one\n"))
    assert fitted(lines, b"", 20) == (['"three"'], len(b"one\n") + 11)
    assert fitted(lines, b"e", 20) == (['"one"', '"three"'], 0)
    assert fitted(lines, b"", 0) == ([], len(b"one\nthree\n") + 11)
    told = b'event: skipped\ndata: {"bytes": 15}\n\nevent: lines\ndata: ["three"]\n\n'
    assert encoded(Lines(lines), b"", 20) == (told, 15)


async def test_an_outbox_is_bounded_whatever_is_in_the_log_and_until_it_is_sent(served: Served) -> None:
    outbox, noise = Outbox(), bytes(range(32)) * 30 + b"\xff" * 500 + b"\n"
    waiting = 0
    async with Follower(served.log) as follower:
        await follower.begin(0)
        for _ in range(100):
            served.append(noise * 50)
            for event in await follower.step(outbox.room):
                piece, _ = encoded(event, b"", outbox.room)
                outbox.put(piece)
                waiting += len(piece)
                assert waiting <= OUTBOX
    assert OUTBOX - waiting < 64 * 1024
    assert len(await outbox.take()) == waiting
    assert outbox.room < 64 * 1024  # it is being sent
    outbox.put(b"x")
    assert await outbox.take() == b"x"  # and now it was
    assert outbox.room == OUTBOX - NOTES - 1
