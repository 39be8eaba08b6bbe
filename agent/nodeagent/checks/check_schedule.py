"""The rhythm of looking: each eye by itself, from start to start, and more often while something is wrong."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics

LOG: Final = logging.getLogger(__name__)
SOONER: Final = 15
"""How many times as often as otherwise it is looked while something is wrong: its end is to be seen soon."""


class Eye(Protocol):
    """Looks at one thing."""

    name: str

    async def look(self) -> bool:
        """Look, and tell whether all is well."""

    def status(self) -> dict[str, object]:
        """Give what `/status` shows of it."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often an eye looks (seconds), and whether readiness waits for its first look."""

    eye: Eye
    every: float
    is_awaited: bool = True


@asynccontextmanager
async def looking(
    rhythms: Iterable[Rhythm], metrics: Metrics, findings: Findings, delay: float = 0.0
) -> AsyncGenerator[None]:
    """Look as long as the block lasts, for the first time after `delay` seconds."""
    tasks = [asyncio.create_task(_look(rhythm, metrics, findings, delay)) for rhythm in rhythms]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look(rhythm: Rhythm, metrics: Metrics, findings: Findings, delay: float) -> None:
    loop, eye = asyncio.get_running_loop(), rhythm.eye
    if rhythm.is_awaited:
        findings.wait_for(f"first {eye.name}", f"{eye.name}: not looked at yet")
    await asyncio.sleep(delay)
    while True:
        began = loop.time()
        is_well = False
        try:
            is_well = await eye.look()
        except Exception:
            # The others go on looking, and children are not to die of a fault in an eye.
            metrics.faults.labels(eye.name).inc()
            LOG.exception("a fault in looking at %s", eye.name)
        findings.came(f"first {eye.name}")
        await asyncio.sleep(max(0.0, began + period(rhythm.every, is_well=is_well) - loop.time()))


def period(every: float, *, is_well: bool) -> float:
    """Give the seconds from one look to the next."""
    return every if is_well else every / SOONER
