"""How long to wait before a program that ended is started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.backoff import delays

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, MOST = 1.0, 60.0
GOOD = 300.0
"""Seconds after which a program counts as having worked: what ends it then is a new matter."""


class Backoff:
    """Twice as long each time, up to a minute; from the beginning after five minutes of life."""

    def __init__(self) -> None:
        self._delays = _doubling()

    def after(self, lived: float) -> float:
        """Give the seconds to wait after a life of `lived` seconds."""
        if lived >= GOOD:
            self._delays = _doubling()
        return next(self._delays)


def _doubling() -> Iterator[float]:
    # Nothing is drawn: there is one agent on a node, and nobody comes back at the same time.
    return delays(lambda: 1.0, FIRST, MOST)
