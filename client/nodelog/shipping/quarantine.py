"""No poison: which block it is that collectors die of or hang up on, so that it does not stop all others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

MAX_HANGUPS: Final = 5
"""In a row, after which a block is guilty, if they took long enough."""
MIN_SECONDS: Final = 300.0
"""From the first of them to the last, at least: one that is ended again and again for reasons of its own
hangs up on an innocent block five times within seconds."""

BlockId: TypeAlias = "tuple[bytes, int]"
"""A block: its stream and its number."""


class Quarantine:
    """Falls on the oldest block under way when the peer hangs up. Any ack clears it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._suspect: BlockId | None = None
        self._since = 0.0
        self.hangups = 0
        """On the suspect, in a row."""

    @property
    def has_suspect(self) -> bool:
        """Tell whether a block is to go alone, so that it is not blamed for one behind it."""
        return self.hangups > 0

    @property
    def seconds(self) -> float:
        """Give the time since the first of the hang-ups."""
        return self._clock() - self._since

    @property
    def reason(self) -> str:
        """Say what speaks against the suspect."""
        return f"in {self.seconds:.0f} s the collector hung up {self.hangups} times while it was to take them"

    def record_hangup(self, block: BlockId) -> bool:
        """Take note that the peer hung up on this block; tell whether that is enough to set it aside."""
        if block != self._suspect:
            self._suspect, self._since, self.hangups = block, self._clock(), 0
        self.hangups += 1
        return self.hangups >= MAX_HANGUPS and self.seconds >= MIN_SECONDS

    def clear(self) -> None:
        """Blame nobody."""
        self._suspect, self.hangups = None, 0
