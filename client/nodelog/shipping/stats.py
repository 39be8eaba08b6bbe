"""What a shipper tells of itself to programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelog.shipping.engine import ShippingEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What became of the lines, at a moment."""

    sent: int = 0
    """Lines that were taken in, in this run."""
    delivered: int = 0
    """Lines that a collector has acknowledged, those of earlier runs in the same spool among them."""
    left: int = 0
    """Lines that no collector has acknowledged yet."""
    dropped: int = 0
    """Lines that there was no room for."""
    set_aside: int = 0
    """Lines that the collector did not take or did not survive; they are in the spool's file, not sent."""
    connections: int = 0
    """How many were made."""
    is_connected: bool = False
    trouble: str = ""
    """What is wrong with the spool; empty if nothing is."""


def collect_stats(carrier: ShippingEngine) -> Stats:
    """Look at a carrier that is at work, maybe in another thread."""
    spool, intake, courier = carrier.spool, carrier.queue, carrier.session
    return Stats(
        sent=intake.accepted,
        # Dropped lines are gone but for one, as long as the line that tells of them is there.
        delivered=max(0, spool.removed - spool.dropped - spool.aside),
        left=intake.unacknowledged,
        dropped=spool.dropped + intake.dropped,
        set_aside=spool.aside,
        connections=courier.connections,
        is_connected=courier.welcome is not None,
        trouble=carrier.spool_error,
    )
