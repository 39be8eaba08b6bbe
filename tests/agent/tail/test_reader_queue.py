import asyncio
from pathlib import Path

import pytest
from tests.agent.growing_log import append

from nodeagent.tail import reader_queue
from nodeagent.tail.event_stream import encode_event
from nodeagent.tail.log_follower import LogFollower
from nodeagent.tail.reader_queue import EVENT_RESERVE, QUEUE_SIZE, ReaderQueue


async def test_a_queue_is_bounded_whatever_is_in_the_log_and_until_it_is_sent(
    log: Path, follower: LogFollower
) -> None:
    queue, noise = ReaderQueue(), bytes(range(32)) * 30 + b"\xff" * 500 + b"\n"
    waiting = 0
    for _ in range(100):
        append(log, noise * 50)
        for event in await follower.poll(queue.room):
            piece, _ = encode_event(event, b"", queue.room)
            queue.put(piece)
            waiting += len(piece)
            assert waiting <= QUEUE_SIZE
    assert QUEUE_SIZE - waiting < 64 * 1024
    assert len(await queue.get()) == waiting
    assert queue.room < 64 * 1024  # still being sent
    queue.put(b"x")
    assert await queue.get() == b"x"  # now the first piece was sent
    assert queue.room == QUEUE_SIZE - EVENT_RESERVE - 1


async def test_a_closed_queue_yields_the_rest_and_then_nothing() -> None:
    queue = ReaderQueue()
    assert not await queue.wait_closed(0)
    queue.put(b"x")
    queue.close()
    assert await queue.wait_closed(30)
    assert [await queue.get(), await queue.get()] == [b"x", b""]


async def test_an_idle_queue_yields_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_queue, "HEARTBEAT", 0.01)
    async with asyncio.timeout(30):
        assert await ReaderQueue().get() == b":\n\n"
