import asyncio
import time

import pytest
from tests.agent.fake_peer import fake_peer, never_answer
from tests.ports import free_ports

from nodeagent.supervision.liveness import PROBES, Liveness

LIMIT = 0.3


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n")


async def stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")


async def test_a_child_that_accepts_and_never_answers_hangs() -> None:
    async with fake_peer(never_answer) as port:
        started = time.monotonic()
        said = await Liveness(f"http://127.0.0.1:{port}", LIMIT).wait_hung()
        assert said.startswith(f"has not answered at http://127.0.0.1:{port}/healthz for ")
        assert time.monotonic() - started >= LIMIT


async def test_a_child_that_says_so_hangs() -> None:
    async with fake_peer(stalled) as port:
        said = await Liveness(f"http://127.0.0.1:{port}", LIMIT).wait_hung()
        assert "that it is stalled for" in said


async def test_one_good_answer_starts_the_count_over() -> None:
    probes = 0
    answers = [stalled, stalled, healthy, *[stalled] * 20]

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal probes
        probes += 1
        await answers[probes - 1](reader, writer)

    async with fake_peer(behave) as port:
        await Liveness(f"http://127.0.0.1:{port}", LIMIT).wait_hung()
    assert probes >= 3 + PROBES


async def test_a_healthy_child_does_not_hang() -> None:
    probed = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await healthy(reader, writer)
        probed.set()

    async with fake_peer(behave) as port:
        waiting = asyncio.create_task(Liveness(f"http://127.0.0.1:{port}", LIMIT).wait_hung())
        for _ in range(2 * PROBES):
            await probed.wait()
            probed.clear()
        assert not waiting.done()
        waiting.cancel()


async def test_a_child_that_does_not_listen_yet_does_not_hang() -> None:
    liveness = Liveness(f"http://127.0.0.1:{next(free_ports())}", 0.01)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(liveness.wait_hung(), 0.3)
