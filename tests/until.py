"""Waiting for a fact in a test that runs in a loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.running import PATIENCE, POLL

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(fact: Callable[[], object]) -> None:
    """Return once `fact()` is true, and let the loop go on meanwhile; fail after PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        while not fact():  # noqa: ASYNC110 (nobody sets an event for it)
            await asyncio.sleep(POLL)
