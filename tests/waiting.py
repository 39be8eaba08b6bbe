"""Waiting for a fact, with a timeout: in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0
"""Seconds to wait for a fact before the test fails; a busy machine may need many of them."""
POLL = 0.01  # seconds


def wait_for(fact: Callable[[], object], what: str = "", *, patience: float = PATIENCE) -> None:
    """Return once `fact()` is true; fail the test after `patience` seconds."""
    end = time.monotonic() + patience
    while not fact():
        if time.monotonic() > end:
            pytest.fail(f"not within {patience:g} s: {what or fact}")
        time.sleep(POLL)


async def until(fact: Callable[[], object]) -> None:
    """Return once `fact()` is true, while the loop goes on; raise a TimeoutError after PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        while not fact():  # noqa: ASYNC110 (nothing sets an event for it)
            await asyncio.sleep(POLL)
