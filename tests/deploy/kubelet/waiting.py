"""Waiting for facts of a cluster: its containers start on one machine, which may do other work too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which whoever waits fails."""


def wait_for(fact: Callable[[], object], what: str) -> None:
    """Return once `fact()` is true; fail after a long time."""
    waiting.wait_for(fact, what, patience=PATIENCE)
