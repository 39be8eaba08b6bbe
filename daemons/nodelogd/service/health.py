"""The health of a daemon: whether its event loop turns, and whether it is ready."""

import threading
import time
from collections.abc import Callable
from typing import Final

STALLED_AFTER: Final = 10.0  # seconds; the loop beats every second


class Health:
    """The heartbeat of the event loop, and why the daemon is not ready or only in part. Thread-safe."""

    def __init__(
        self, *, stalled_after: float = STALLED_AFTER, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with a fresh heartbeat: the time before the loop's first turn is startup, not a stall."""
        self._stalled_after = stalled_after
        self._clock = clock
        self._last_beat = clock()
        self._reasons: dict[str, str] = {}
        self._degraded: dict[str, str] = {}
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Record that the loop turns."""
        self._last_beat = self._clock()

    def heartbeat_age(self) -> float:
        """Return the seconds since the last heartbeat."""
        return max(0.0, self._clock() - self._last_beat)

    def stall_reason(self) -> str | None:
        """Return why the loop counts as stalled, or None while it turns."""
        age = self.heartbeat_age()
        if age <= self._stalled_after:
            return None
        return f"the event loop has not turned for {age:.1f} s, at most {self._stalled_after:g} s allowed"

    def set_not_ready(self, name: str, reason: str) -> None:
        """Add a reason for not being ready; it replaces an earlier one of this name."""
        with self._lock:
            self._reasons[name] = reason

    def clear_not_ready(self, name: str) -> None:
        """Remove a reason; the daemon is ready when none is left."""
        with self._lock:
            self._reasons.pop(name, None)

    def set_degraded(self, name: str, reason: str) -> None:
        """Add something that does not work while the daemon does its main work; it stays ready."""
        with self._lock:
            self._degraded[name] = reason

    def clear_degraded(self, name: str) -> None:
        """Remove such a reason."""
        with self._lock:
            self._degraded.pop(name, None)

    def degraded_reasons(self) -> dict[str, str]:
        """Return what does not work although the daemon is ready, by name."""
        with self._lock:
            return dict(self._degraded)

    def not_ready_reasons(self) -> dict[str, str]:
        """Return why the daemon is not ready, by name; empty if it is ready."""
        with self._lock:
            reasons = dict(self._reasons)
        if stalled := self.stall_reason():
            reasons["loop"] = stalled
        return reasons
