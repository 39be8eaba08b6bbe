from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.daemons.collector.wired import until

from nodelogd.collector.pipeline.arena import FULL, Arenas
from nodelogd.collector.pipeline.arena_exchange import Handover

if TYPE_CHECKING:
    from nodelogd.collector.pipeline.arena import Arena


class Exchange:
    """A loop's side, and a writer that keeps what it gets until a test gives it back."""

    def __init__(self) -> None:
        """Begin empty."""
        self.kept: list[Arena] = []
        self.arenas = Arenas(100, self._on_return)
        self.handover = Handover(asyncio.get_running_loop(), self.arenas, self.kept.append)

    def add(self, data: bytes) -> None:
        """Gather something."""
        self.arenas.current.add(data)

    def give_back(self) -> None:
        """Have the writer give back what it has had longest."""
        self.arenas.give_back(self.kept.pop(0))

    def _on_return(self) -> None:
        self.handover.on_return()


async def test_what_comes_first_is_handed_over_at_once_and_what_follows_soon() -> None:
    exchange = Exchange()
    exchange.add(b"one\n")
    exchange.handover.deliver()
    assert len(exchange.kept) == 1
    exchange.give_back()
    exchange.add(b"two\n")
    exchange.handover.deliver()
    exchange.add(b"three\n")
    exchange.handover.deliver()
    await until(lambda: len(exchange.kept) == 1)
    assert bytes(exchange.kept[0].view[: exchange.kept[0].end]) == b"two\nthree\n"


async def test_nothing_is_handed_over_if_there_is_nothing() -> None:
    exchange = Exchange()
    exchange.handover.deliver()
    assert exchange.handover.now()
    assert exchange.kept == []


async def test_there_is_room_as_long_as_one_of_two_arenas_can_be_filled() -> None:
    exchange = Exchange()
    exchange.add(bytes(FULL))
    assert exchange.handover.has_room()
    exchange.add(bytes(FULL))
    assert not exchange.handover.has_room()
    waiting = asyncio.ensure_future(exchange.handover.roomy())
    await asyncio.sleep(0)
    exchange.give_back()
    await waiting
    assert exchange.arenas.current.is_empty


async def test_whoever_waits_until_all_is_handed_over_is_woken_by_the_return_of_an_arena() -> None:
    exchange = Exchange()
    exchange.add(b"one\n")
    await exchange.handover.flushed()
    exchange.add(b"two\n")
    waiting = [asyncio.ensure_future(exchange.handover.flushed()) for _ in range(2)]
    await asyncio.sleep(0)
    assert len(exchange.kept) == 1
    exchange.give_back()
    await asyncio.gather(*waiting)
    assert len(exchange.kept) == 1
