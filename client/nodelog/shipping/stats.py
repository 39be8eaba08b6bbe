"""The figures that a shipper gives to its program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelog.shipping.engine import ShippingEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What became of the lines, at one moment."""

    sent: int = 0
    """Lines that were accepted in this run."""
    delivered: int = 0
    """Lines that a collector has acknowledged, including those of earlier runs in the same spool."""
    left: int = 0
    """Lines that no collector has acknowledged yet."""
    dropped: int = 0
    """Lines that were dropped because there was no room for them."""
    set_aside: int = 0
    """Lines that the collector rejected or did not survive; they stay in the spool's file, unsent."""
    connections: int = 0
    """Connections that were made."""
    is_connected: bool = False
    trouble: str = ""
    """What is wrong with the spool; empty if nothing is."""


def collect_stats(engine: ShippingEngine) -> Stats:
    """Return the figures of an engine that may be running in another thread."""
    spool, queue, session = engine.spool, engine.queue, engine.session
    return Stats(
        sent=queue.accepted,
        # One dropped line is not counted as removed while the notice of its drop is in the spool.
        delivered=max(0, spool.removed - spool.dropped - spool.aside),
        left=queue.unacknowledged,
        dropped=spool.dropped + queue.dropped,
        set_aside=spool.aside,
        connections=session.connections,
        is_connected=session.welcome is not None,
        trouble=engine.spool_error,
    )
