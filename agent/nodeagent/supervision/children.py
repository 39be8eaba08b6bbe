"""The children of `nodeagent run`: supervised independently, stopped together."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from nodeagent.supervision.child_process import ChildProcess


class Children:
    """All the children of an agent."""

    def __init__(self, children: Sequence[ChildProcess]) -> None:
        self._children = children
        self.ended_well = True
        """Whether each ended with exit code 0 within the grace; known once `running` has exited."""

    @asynccontextmanager
    async def running(self, grace: float) -> AsyncGenerator[None]:
        """Keep the children running while the block runs; then stop all at once, within `grace` seconds."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child.supervise(stop, grace)) for child in self._children]
            try:
                yield
            finally:
                stop.set()
        self.ended_well = all(task.result() for task in tasks)

    def forward_sighup(self) -> None:
        """Send SIGHUP to each child."""
        for child in self._children:
            child.signal(signal.SIGHUP)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows."""
        return {child.name: child.status() for child in self._children}
