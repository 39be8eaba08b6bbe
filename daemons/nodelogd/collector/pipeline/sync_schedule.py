"""When the writer syncs. Decided by the `--sync` policy and the times passed in, without a clock of its own.

All times are seconds of one clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

BACKGROUND_DELAY = 4.0  # seconds until lines nobody waits for are synced; with the sync itself, within five


class SyncMode(Enum):
    """When an acknowledged batch is synced."""

    BATCH = auto()  # before its senders get their acks
    INTERVAL = auto()  # in the background, at regular intervals
    OFF = auto()  # when the kernel writes it back


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """The `--sync` option."""

    mode: SyncMode = SyncMode.BATCH
    interval: float = 1.0  # seconds, for SyncMode.INTERVAL
    gap: float = 0.005  # minimum seconds from the start of one sync to the next, for SyncMode.BATCH

    @property
    def background_delay(self) -> float | None:
        """Seconds until written lines are synced in the background; None for never."""
        return {
            SyncMode.BATCH: BACKGROUND_DELAY,
            SyncMode.INTERVAL: self.interval,
            SyncMode.OFF: None,
        }[self.mode]


class SyncSchedule:
    """Awaited syncs keep a gap between them; background syncs run one at a time."""

    def __init__(self, policy: SyncPolicy, now: float) -> None:
        """Start with everything synced."""
        self._policy = policy
        self._background_delay = policy.background_delay  # asked for twice per batch
        self._last_awaited_sync = now
        self._dirty_since: float | None = None
        self._is_syncing_in_background = False

    def note_written(self, now: float) -> None:
        """Note that there is something to sync."""
        if self._dirty_since is None:
            self._dirty_since = now

    def seconds_until_sync(self, now: float, *, is_awaited: bool) -> float:
        """Return the seconds until the next sync is due; infinity if none is."""
        if is_awaited:
            return max(0.0, self._last_awaited_sync + self._policy.gap - now)
        delay = self._background_delay
        if delay is None or self._dirty_since is None or self._is_syncing_in_background:
            return math.inf
        return max(0.0, self._dirty_since + delay - now)

    def start_awaited_sync(self, now: float) -> None:
        """Note that an awaited sync starts; it covers everything written so far."""
        self._last_awaited_sync, self._dirty_since = now, None

    def start_background_sync(self, *, is_needed: bool) -> None:
        """Note that a background sync starts, or that none `is_needed`."""
        self._dirty_since, self._is_syncing_in_background = None, is_needed

    def end_background_sync(self) -> None:
        """Note that the background sync has ended, successful or not."""
        self._is_syncing_in_background = False

    def postpone_background_sync(self, now: float, seconds: float) -> None:
        """Make the next background sync due in `seconds`."""
        self._dirty_since = now + seconds - (self._background_delay or 0.0)
