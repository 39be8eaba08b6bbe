"""No poison: which block it is that collectors die of or hang up on, so that it does not stop all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TypeAlias

HANGUPS: Final = 5
"""In a row, after which a block is guilty."""

Suspect: TypeAlias = "tuple[bytes, int]"
"""A block: its stream and its number."""


class Suspicion:
    """Falls on the oldest block under way when the peer hangs up. Any ack clears it."""

    def __init__(self) -> None:
        self._suspect: Suspect | None = None
        self._hangups = 0

    def __bool__(self) -> bool:
        """Tell whether a block is to go alone, so that it is not blamed for one behind it."""
        return self._hangups > 0

    def finds_guilty(self, block: Suspect) -> bool:
        """Take note that the peer hung up on this block; tell whether that was once too often."""
        self._hangups = self._hangups + 1 if block == self._suspect else 1
        self._suspect = block
        return self._hangups >= HANGUPS

    def clear(self) -> None:
        """Blame nobody."""
        self._suspect, self._hangups = None, 0
