"""Whether the archive is recent enough for logcd to be ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REASONS: Final = ("start", "cycle")
MAX_INTERVALS: Final = 3  # from one successful cycle to the end of the next


class Readiness:
    """When a cycle last succeeded, and what has gone wrong since."""

    def __init__(self, interval: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start as if a cycle had started now; cycles start every `interval` seconds."""
        self._max_age = MAX_INTERVALS * interval
        self._clock = clock
        self._last_success = clock()
        self._has_succeeded = False
        self._failure = ""

    def record_success(self) -> None:
        """Record that the archive is up to date."""
        self._last_success = self._clock()
        self._has_succeeded = True
        self._failure = ""

    def record_failure(self, reason: str) -> None:
        """Record why a cycle failed, or what it is waiting for."""
        self._failure = reason

    def not_ready_reasons(self) -> dict[str, str]:
        """Return why logcd is not ready, by name; empty if it is ready."""
        age = self._clock() - self._last_success
        if not self._has_succeeded:
            return {"start": self._failure or f"the first cycle has been running for {age:.0f} s"}
        if age <= self._max_age:
            return {}
        why = self._failure or "a cycle is running"
        return {
            "cycle": f"no cycle has succeeded for {age:.0f} s, at most {self._max_age:g} s allowed: {why}"
        }
