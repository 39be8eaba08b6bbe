"""How long to wait before a program that ended is started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.backoff import delays

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_DELAY, MAX_DELAY = 1.0, 60.0
RESET_AFTER = 300.0
"""Seconds of uptime after which a program counts as having worked, so that its end is a new incident."""


class RestartBackoff:
    """Doubles the delay each time, up to a minute; starts over after an uptime of five minutes."""

    def __init__(self) -> None:
        self._delays = _doubling_delays()

    def delay_after(self, uptime: float) -> float:
        """Return the seconds to wait after the program ran for `uptime` seconds."""
        if uptime >= RESET_AFTER:
            self._delays = _doubling_delays()
        return next(self._delays)


def _doubling_delays() -> Iterator[float]:
    # No jitter: there is one agent on a node, so no two restart at the same moment.
    return delays(lambda: 1.0, FIRST_DELAY, MAX_DELAY)
