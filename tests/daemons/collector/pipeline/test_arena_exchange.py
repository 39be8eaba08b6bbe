from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.daemons.collector.wired import until

from nodelogd.collector.pipeline.arena import ARENA_SIZE, ArenaPool
from nodelogd.collector.pipeline.arena_exchange import ArenaExchange

if TYPE_CHECKING:
    from nodelogd.collector.pipeline.arena import Arena


class Sides:
    """A loop's side, and a writer that keeps what it gets until a test gives it back."""

    def __init__(self) -> None:
        """Begin empty."""
        self.kept: list[Arena] = []
        self.arenas = ArenaPool(100, self._on_return)
        self.exchange = ArenaExchange(asyncio.get_running_loop(), self.arenas, self.kept.append)

    def add(self, data: bytes) -> None:
        """Gather something."""
        self.arenas.current.add(data)

    def give_back(self) -> None:
        """Have the writer give back what it has had longest."""
        self.arenas.release(self.kept.pop(0))

    def _on_return(self) -> None:
        self.exchange.note_release()


async def test_the_first_batch_is_submitted_immediately_and_the_next_soon_after() -> None:
    sides = Sides()
    sides.add(b"one\n")
    sides.exchange.submit()
    assert len(sides.kept) == 1
    sides.give_back()
    sides.add(b"two\n")
    sides.exchange.submit()
    sides.add(b"three\n")
    sides.exchange.submit()
    await until(lambda: len(sides.kept) == 1)
    assert bytes(sides.kept[0].view[: sides.kept[0].end]) == b"two\nthree\n"


async def test_an_empty_arena_is_not_submitted() -> None:
    sides = Sides()
    sides.exchange.submit()
    assert sides.exchange.submit_now()
    assert sides.kept == []


async def test_there_is_room_while_one_of_the_two_arenas_is_not_full() -> None:
    sides = Sides()
    sides.add(bytes(ARENA_SIZE))
    assert sides.exchange.ensure_room()
    sides.add(bytes(ARENA_SIZE))
    assert not sides.exchange.ensure_room()
    waiting = asyncio.ensure_future(sides.exchange.wait_for_room())
    await asyncio.sleep(0)
    sides.give_back()
    await waiting
    assert sides.arenas.current.is_empty


async def test_every_waiting_flush_is_woken_by_the_release_of_an_arena() -> None:
    sides = Sides()
    sides.add(b"one\n")
    await sides.exchange.flush()
    sides.add(b"two\n")
    waiting = [asyncio.ensure_future(sides.exchange.flush()) for _ in range(2)]
    await asyncio.sleep(0)
    assert len(sides.kept) == 1
    sides.give_back()
    await asyncio.gather(*waiting)
    assert len(sides.kept) == 1
