"""An intake, and somebody who carries lines away from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.shipping.line_queue import FullPolicy, LineQueue

if TYPE_CHECKING:
    from nodelog.spool.spool import Spool


class Wakes:
    """Counts how often the driver was woken."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0

    def __call__(self) -> None:
        """Count one."""
        self.count += 1


def intake_of(most: int = 100, full: FullPolicy = FullPolicy.BLOCK) -> LineQueue:
    return LineQueue(most, full, lambda: None)


def carry(intake: LineQueue, spool: Spool) -> None:
    """Put what there is into the spool."""
    while lines := intake.take_batch():
        spool.append(lines)
        intake.sync_with_spool(spool)
