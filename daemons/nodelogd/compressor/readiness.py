"""Whether the archive is fresh enough for logcd to count as ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REASONS: Final = ("start", "cycle")
INTERVALS: Final = 3  # from one cycle that succeeded to the end of the next


class Freshness:
    """When a cycle last succeeded, and what was the matter since."""

    def __init__(self, every: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin as if a cycle had begun now."""
        self._allowed = INTERVALS * every
        self._clock = clock
        self._last = clock()
        self._ever = False
        self._trouble = ""

    def succeeded(self) -> None:
        """Note that the archive holds what is there."""
        self._last = self._clock()
        self._ever = True
        self._trouble = ""

    def failed(self, trouble: str) -> None:
        """Note why a cycle failed, or what it waits for."""
        self._trouble = trouble

    def reasons(self) -> dict[str, str]:
        """Give why logcd is not ready, by name."""
        age = self._clock() - self._last
        if not self._ever:
            return {"start": self._trouble or f"the first cycle has been going on for {age:.0f} s"}
        if age <= self._allowed:
            return {}
        why = self._trouble or "one is going on"
        return {
            "cycle": f"no cycle has succeeded for {age:.0f} s, at most {self._allowed:g} s allowed: {why}"
        }
