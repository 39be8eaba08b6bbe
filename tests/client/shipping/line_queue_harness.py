"""Line queues, and what a driver does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.shipping.line_queue import FullPolicy, LineQueue

if TYPE_CHECKING:
    from nodelog.spool.spool import Spool


class WakeupCounter:
    """Counts how often the driver was woken."""

    def __init__(self) -> None:
        """Start at 0."""
        self.count = 0

    def __call__(self) -> None:
        """Count a wake-up."""
        self.count += 1


def make_queue(max_bytes: int = 100, policy: FullPolicy = FullPolicy.BLOCK) -> LineQueue:
    """Return a queue that wakes nothing."""
    return LineQueue(max_bytes, policy, lambda: None)


def move_to_spool(queue: LineQueue, spool: Spool) -> None:
    """Move all lines into the spool."""
    while lines := queue.take_batch():
        spool.append(lines)
        queue.sync_with_spool(spool)
