"""Waits for a condition, longer than elsewhere: all nodes share one machine, which may be busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which a wait fails."""


def wait_for(fact: Callable[[], object], what: str) -> None:
    """Wait until `fact()` is true; fail after PATIENCE seconds."""
    waiting.wait_for(fact, what, patience=PATIENCE)
