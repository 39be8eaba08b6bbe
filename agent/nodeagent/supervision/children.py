"""The children of `nodeagent run`: each is kept alive by itself, and all are ended together."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from nodeagent.supervision.child_process import Child


class Family:
    """Some children."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self.ended_well = True
        """Whether all ended by themselves, when `living` is over."""

    @asynccontextmanager
    async def living(self, grace: float) -> AsyncGenerator[None]:
        """Keep them alive; at the end ask all of them at once, and wait `grace` seconds at the most."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(child.keep(stop, grace)) for child in self._children]
            try:
                yield
            finally:
                stop.set()
        self.ended_well = all(life.result() for life in lives)

    def hang_up(self) -> None:
        """Pass a SIGHUP on."""
        for child in self._children:
            child.signal(signal.SIGHUP)

    def status(self) -> dict[str, object]:
        """Give what `/status` shows."""
        return {child.name: child.status() for child in self._children}
