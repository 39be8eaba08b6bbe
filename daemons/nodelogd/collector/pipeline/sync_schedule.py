"""When a writer syncs: a matter of its policy and of times, which are passed in (seconds, of one clock)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelogd.collector.pipeline.writer_commands import SyncPolicy


class Schedule:
    """Syncs that somebody waits for have a gap between them; those in the background go one at a time."""

    def __init__(self, policy: SyncPolicy, now: float) -> None:
        """Begin with all synced."""
        self._policy = policy
        self._began = now  # the last sync that somebody waited for
        self._dirty_since: float | None = None
        self._in_background = False  # a sync is under way there

    def note_written(self, now: float) -> None:
        """Note that there is something to be synced."""
        if self._dirty_since is None:
            self._dirty_since = now

    def until_sync(self, now: float, *, is_awaited: bool) -> float:
        """Give the seconds until the next sync is due; infinity if none will be."""
        if is_awaited:
            return max(0.0, self._began + self._policy.gap - now)
        delay = self._policy.background
        if delay is None or self._dirty_since is None or self._in_background:
            return math.inf
        return max(0.0, self._dirty_since + delay - now)

    def begin(self, now: float) -> None:
        """Note that a sync begins that somebody waits for; it is for all that is written."""
        self._began, self._dirty_since = now, None

    def begin_in_background(self, *, is_needed: bool) -> None:
        """Note that a sync begins in the background, or that none `is_needed`."""
        self._dirty_since, self._in_background = None, is_needed

    def end_in_background(self) -> None:
        """Note that it has ended, well or not."""
        self._in_background = False

    def put_off(self, now: float, seconds: float) -> None:
        """Have the next sync in the background in so many seconds."""
        self._dirty_since = now + seconds - (self._policy.background or 0.0)
