"""Whether a daemon lives and whether it is ready: what the event loop says and what other threads read."""

import threading
import time
from collections.abc import Callable
from typing import Final

STALLED_AFTER: Final = 10.0  # seconds; the loop beats every second


class Health:
    """The heartbeat of the event loop, and the reasons why the daemon is not ready; for any thread."""

    def __init__(
        self, *, stalled_after: float = STALLED_AFTER, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin as if the loop had beaten now: what comes before its first turn is a start, not a stall."""
        self._stalled_after = stalled_after
        self._clock = clock
        self._beaten = clock()
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Say that the loop turns."""
        self._beaten = self._clock()

    def age(self) -> float:
        """Return the seconds since the loop turned last."""
        return max(0.0, self._clock() - self._beaten)

    def stalled(self) -> str | None:
        """Return why the loop counts as stalled, or nothing as long as it turns."""
        age = self.age()
        if age <= self._stalled_after:
            return None
        return f"the event loop has not turned for {age:.1f} s, at most {self._stalled_after:g} s allowed"

    def not_ready(self, name: str, reason: str) -> None:
        """Turn readiness off for a named reason; the same name again replaces it."""
        with self._lock:
            self._reasons[name] = reason

    def ready(self, name: str) -> None:
        """Take a reason back; readiness is on again when none is left."""
        with self._lock:
            self._reasons.pop(name, None)

    def reasons(self) -> dict[str, str]:
        """Return why the daemon is not ready, by name; empty if it is."""
        with self._lock:
            reasons = dict(self._reasons)
        if stalled := self.stalled():
            reasons["loop"] = stalled
        return reasons
