"""When checks run: each on its own, at an interval from start to start, and more often while it fails."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems

LOG: Final = logging.getLogger(__name__)
FAILING_SPEEDUP: Final = 15
"""A failing check runs this many times as often as otherwise, so that recovery is noticed soon."""


class Check(Protocol):
    """Examines one thing on the node."""

    name: str

    async def run(self) -> bool:
        """Examine it, report problems, and return whether all is well."""

    def status(self) -> dict[str, object]:
        """Return what `/status` shows about it."""


@dataclass(frozen=True, slots=True)
class ScheduledCheck:
    """A check, its interval in seconds, and whether readiness waits for its first run."""

    check: Check
    interval: float
    is_awaited: bool = True


@asynccontextmanager
async def running_checks(
    scheduled: Iterable[ScheduledCheck], metrics: Metrics, problems: Problems, delay: float = 0.0
) -> AsyncGenerator[None]:
    """Run the checks while the block runs, for the first time after `delay` seconds."""
    tasks = [asyncio.create_task(_run_repeatedly(one, metrics, problems, delay)) for one in scheduled]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run_repeatedly(
    scheduled: ScheduledCheck, metrics: Metrics, problems: Problems, delay: float
) -> None:
    loop, check = asyncio.get_running_loop(), scheduled.check
    if scheduled.is_awaited:
        problems.hold_readiness(f"first {check.name}", f"{check.name}: not checked yet")
    await asyncio.sleep(delay)
    while True:
        started = loop.time()
        is_ok = False
        try:
            is_ok = await check.run()
        except Exception:
            # The other checks go on, and a bug in one check must not bring down the children.
            metrics.faults.labels(check.name).inc()
            LOG.exception("the check %s failed with a fault of its own", check.name)
        problems.release_readiness(f"first {check.name}")
        next_start = started + next_interval(scheduled.interval, is_ok=is_ok)
        await asyncio.sleep(max(0.0, next_start - loop.time()))


def next_interval(interval: float, *, is_ok: bool) -> float:
    """Return the seconds from the start of a run to the start of the next one."""
    return interval if is_ok else interval / FAILING_SPEEDUP
