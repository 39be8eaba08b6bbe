"""An intake, and somebody who carries lines away from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.shipping.line_queue import Full, Intake

if TYPE_CHECKING:
    from nodelog.spool.memory_spool import Spool


class Wakes:
    """Counts how often the driver was woken."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0

    def __call__(self) -> None:
        """Count one."""
        self.count += 1


def intake_of(most: int = 100, full: Full = Full.BLOCK) -> Intake:
    return Intake(most, full, lambda: None)


def carry(intake: Intake, spool: Spool) -> None:
    """Put what there is into the spool."""
    while lines := intake.take():
        spool.append(lines)
        intake.settle(spool)
