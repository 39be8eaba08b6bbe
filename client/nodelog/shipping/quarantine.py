"""Which block makes collectors die or hang up, so that it can be set aside and does not stop the others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

MAX_HANGUPS: Final = 5
"""Hang-ups in a row after which a block is set aside, if they took MIN_SECONDS."""
MIN_SECONDS: Final = 300.0
"""The least time from the first of them to the last: a collector that is restarted over and over for other
reasons hangs up on an innocent block five times within seconds."""

BlockId: TypeAlias = "tuple[bytes, int]"
"""The stream and the number of a block."""


class Quarantine:
    """Suspects the oldest block in flight when the peer hangs up. Any ack clears the suspicion."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._suspect: BlockId | None = None
        self._since = 0.0
        self.hangups = 0
        """Hang-ups on the suspect, in a row."""

    @property
    def has_suspect(self) -> bool:
        """Return whether blocks must be sent one at a time, so that none is blamed for the one after it."""
        return self.hangups > 0

    @property
    def seconds(self) -> float:
        """The seconds since the first of the hang-ups."""
        return self._clock() - self._since

    @property
    def reason(self) -> str:
        """Why the suspect is set aside, for an operator."""
        return f"the collector hung up {self.hangups} times in {self.seconds:.0f} s when it received them"

    def record_hangup(self, block: BlockId) -> bool:
        """Record that the peer hung up on this block; return whether it must be set aside now."""
        if block != self._suspect:
            self._suspect, self._since, self.hangups = block, self._clock(), 0
        self.hangups += 1
        return self.hangups >= MAX_HANGUPS and self.seconds >= MIN_SECONDS

    def clear(self) -> None:
        """Suspect no block."""
        self._suspect, self.hangups = None, 0
