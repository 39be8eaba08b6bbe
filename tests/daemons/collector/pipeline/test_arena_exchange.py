from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.daemons.collector.reader_harness import until

from nodelogd.collector.pipeline import arena_exchange as module
from nodelogd.collector.pipeline.arena import ARENA_SIZE, ArenaPool
from nodelogd.collector.pipeline.arena_exchange import ArenaExchange

if TYPE_CHECKING:
    from nodelogd.collector.pipeline.arena import Arena


class ExchangeHarness:
    """An arena exchange, and a writer that keeps its arenas until a test releases them."""

    def __init__(self) -> None:
        """Start with nothing gathered."""
        self.kept: list[Arena] = []
        self.arenas = ArenaPool(100, self._on_release)
        self.exchange = ArenaExchange(asyncio.get_running_loop(), self.arenas, self.kept.append)

    def add(self, data: bytes) -> None:
        """Add lines to the current arena."""
        self.arenas.current.add(data)

    def release_oldest(self) -> None:
        """Release the arena that the writer has had longest."""
        self.arenas.release(self.kept.pop(0))

    def _on_release(self) -> None:
        self.exchange.note_release()


async def test_the_first_batch_is_submitted_immediately_and_the_next_soon_after() -> None:
    harness = ExchangeHarness()
    harness.add(b"one\n")
    harness.exchange.submit()
    assert len(harness.kept) == 1
    harness.release_oldest()
    harness.add(b"two\n")
    harness.exchange.submit()
    harness.add(b"three\n")
    harness.exchange.submit()
    await until(lambda: len(harness.kept) == 1)
    assert bytes(harness.kept[0].view[: harness.kept[0].end]) == b"two\nthree\n"


@pytest.mark.parametrize(
    ("size", "is_submitted"), [(module.SMALL_BATCH - 1, True), (module.SMALL_BATCH, False)]
)
async def test_few_lines_wait_for_a_shorter_time_than_many(
    monkeypatch: pytest.MonkeyPatch, size: int, *, is_submitted: bool
) -> None:
    monkeypatch.setattr(module, "SHORT_GATHER_TIME", 10.0)
    monkeypatch.setattr(module, "GATHER_TIME", 10_000.0)
    harness = ExchangeHarness()
    harness.exchange._submitted_at = time.monotonic() - 100.0
    harness.add(bytes(size))
    harness.exchange.submit()
    assert bool(harness.kept) is is_submitted


async def test_an_empty_arena_is_not_submitted() -> None:
    harness = ExchangeHarness()
    harness.exchange.submit()
    assert harness.exchange.submit_now()
    assert harness.kept == []


async def test_there_is_room_while_one_of_the_two_arenas_is_not_full() -> None:
    harness = ExchangeHarness()
    harness.add(bytes(ARENA_SIZE))
    assert harness.exchange.ensure_room()
    harness.add(bytes(ARENA_SIZE))
    assert not harness.exchange.ensure_room()
    waiting = asyncio.ensure_future(harness.exchange.wait_for_room())
    await asyncio.sleep(0)
    harness.release_oldest()
    await waiting
    assert harness.arenas.current.is_empty


async def test_every_waiting_flush_is_woken_by_the_release_of_an_arena() -> None:
    harness = ExchangeHarness()
    harness.add(b"one\n")
    await harness.exchange.flush()
    harness.add(b"two\n")
    waiting = [asyncio.ensure_future(harness.exchange.flush()) for _ in range(2)]
    await asyncio.sleep(0)
    assert len(harness.kept) == 1
    harness.release_oldest()
    await asyncio.gather(*waiting)
    assert len(harness.kept) == 1
