"""When the event loop hands its current arena to the writer, and how it waits for a free one.

A batch costs the same whatever its size: a record, a handful of system calls, a wake-up of the writer.
So lines that arrive within a millisecond of the last batch, or half of it if they are few, wait for the next
turn of the loop after that time. If none comes, a timer sends them a millisecond after they were read: the
timers of uvloop count whole milliseconds. A single line does not wait.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.collector.pipeline.arena import Arena, ArenaPool

GATHER_TIME = 0.001  # seconds from one batch to the next, unless an arena is full
SHORT_GATHER_TIME = 0.0005  # the same for a small batch: 20,000 lines/s are seen half as late
SMALL_BATCH = 4096  # bytes


class ArenaExchange:
    """The event loop's side of the arena pool (`arenas`); it passes full arenas to the writer by `put`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, arenas: ArenaPool, put: Callable[[Arena], None]
    ) -> None:
        """Start with nothing gathered."""
        self._loop = loop
        self.arenas = arenas
        self._put = put
        self._submitted_at = 0.0
        self._timer: asyncio.TimerHandle | None = None  # set while gathered lines wait for their time
        self._released = asyncio.Event()

    def submit(self) -> None:
        """Hand the current arena to the writer: now, or soon if the last one went a moment ago."""
        gather_time = SHORT_GATHER_TIME if self.arenas.current.end < SMALL_BATCH else GATHER_TIME
        if time.monotonic() - self._submitted_at >= gather_time:
            self.submit_now()
        elif not self._timer and not self.arenas.current.is_empty:
            self._timer = self._loop.call_later(GATHER_TIME, self._on_timer)

    def submit_now(self) -> bool:
        """Hand the current arena to the writer unless it is empty; False if no free arena can replace it."""
        if self.arenas.current.is_empty:
            return True
        full = self.arenas.swap()
        if full is None:
            return False
        self._submitted_at = time.monotonic()
        self._put(full)
        return True

    def ensure_room(self) -> bool:
        """Make room for one more read, whatever its size; False if no free arena is left for that."""
        return not self.arenas.current.is_full or self.submit_now()

    def note_release(self) -> None:
        """Wake everything that waits for a free arena."""
        self._released.set()

    async def flush(self) -> None:
        """Wait until everything gathered has been handed to the writer."""
        while not self.submit_now():
            await self._wait_for_release()

    async def wait_for_room(self) -> None:
        """Wait until there is room for one more read."""
        while not self.ensure_room():
            await self._wait_for_release()

    async def _wait_for_release(self) -> None:
        self._released.clear()
        await self._released.wait()

    def _on_timer(self) -> None:
        self._timer = None
        self.submit_now()
