"""When the loop gives the writer what it gathered, and what it gets for it: an arena to go on with."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nodelogd.collector.network.pacing import GATHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.pipeline.arena import Arena, Arenas


class Handover:
    """One side of the exchange of arenas. `put` is the other one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, arenas: Arenas, put: Callable[[Arena], None]) -> None:
        """Begin with nothing gathered."""
        self._loop = loop
        self.arenas = arenas
        self._put = put
        self._at = 0.0  # when the writer was given something last
        self._due: asyncio.TimerHandle | None = None  # of the next time, if something waits for it
        self._returned = asyncio.Event()

    def deliver(self) -> None:
        """Hand over at once, or soon if that was done a moment ago."""
        if time.monotonic() - self._at >= GATHER:
            self.now()
        elif not self._due and not self.arenas.current.is_empty:
            self._due = self._loop.call_later(GATHER, self._on_due)

    def now(self) -> bool:
        """Hand over what there is; False if the writer has no arena to give for it."""
        if self.arenas.current.is_empty:
            return True
        full = self.arenas.swap()
        if full is None:
            return False
        self._at = time.monotonic()
        self._put(full)
        return True

    def has_room(self) -> bool:
        """Say whether there is room for one more read, whatever it brings; make it, if that is possible."""
        return not self.arenas.current.is_full or self.now()

    def on_return(self) -> None:
        """Hear that the writer has given back an arena."""
        self._returned.set()

    async def flushed(self) -> None:
        """Return when the writer has all that was gathered."""
        while not self.now():
            await self._next_return()

    async def roomy(self) -> None:
        """Return when there is room for one more read."""
        while not self.has_room():
            await self._next_return()

    async def _next_return(self) -> None:
        self._returned.clear()
        await self._returned.wait()

    def _on_due(self) -> None:
        self._due = None
        self.now()
