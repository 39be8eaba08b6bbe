"""The end of a command that ships lines: wait for the acknowledgements, and report what is missing."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.commands.stop_signals import ShutdownDeadline
    from nodelog.shipping.shipper import Shipper

_QUIET_SECONDS: Final = 1.0
"""Seconds to wait for acknowledgements before a message says so."""
_AWAY_SECONDS: Final = 2.0
"""Seconds after which a collector that is not connected counts as away."""


def finish(
    shipper: Shipper,
    deadline: ShutdownDeadline,
    print_message: Callable[[str], None],
    *,
    spooled_suffices: bool = False,
) -> bool:
    """Wait for the acknowledgements and report missing lines; return whether there are none.

    With `spooled_suffices` it does not wait for a collector that is away once all lines are in the spool.
    """
    deadline.start()
    deadline.wait(_Flush(shipper, print_message, spooled_suffices=spooled_suffices))
    left = shipper.close(0)
    stats = shipper.stats
    if stats.dropped:
        print_message(f"{stats.dropped} lines were dropped: there was no room for them")
    return not (left or stats.dropped or stats.set_aside)


class _Flush:
    """Waits for the acknowledgements, and says so if that takes a while."""

    def __init__(
        self, shipper: Shipper, print_message: Callable[[str], None], *, spooled_suffices: bool
    ) -> None:
        self._shipper = shipper
        self._print_message = print_message
        now = time.monotonic()
        self._message_at = now + _QUIET_SECONDS
        self._away_at = now + _AWAY_SECONDS if spooled_suffices else math.inf

    def __call__(self, seconds: float) -> int:
        """Wait up to `seconds`; return how many lines are still to be waited for."""
        left = self._shipper.flush(seconds)
        if left and time.monotonic() >= self._message_at:
            self._print_message(
                f"waiting until {left} lines are acknowledged; Ctrl-C or SIGTERM, twice, ends the wait"
            )
            self._message_at = math.inf
        return 0 if left and self._is_left_to_the_spool() else left

    def _is_left_to_the_spool(self) -> bool:
        is_away = time.monotonic() >= self._away_at and not self._shipper.stats.is_connected
        return is_away and self._shipper.keep(0) == 0
