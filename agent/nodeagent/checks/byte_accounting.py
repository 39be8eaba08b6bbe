"""Byte accounting: every byte the collector received is written, held, or dropped for a stated reason.

The counters are not read at the same instant. While bytes flow, a difference may be as large as what flowed
between two readings; only a larger one counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

INFLOW_METRICS: Final = ("nodelog_received_bytes_total", "nodelog_added_bytes_total")
OUTFLOW_METRICS: Final = (
    "nodelog_written_bytes_total",
    "nodelog_held_bytes",
    "nodelog_dropped_bytes_total",
    "nodelog_relp_overhead_bytes_total",
)


@dataclass(frozen=True, slots=True)
class ByteCounts:
    """The bytes that went in, and those whose whereabouts are known, since the collector started."""

    taken: float
    accounted: float

    @classmethod
    def from_metrics(cls, sums: Mapping[str, float]) -> ByteCounts | None:
        """Build it from the sums of metrics; return None if one of them is missing."""
        if not {*INFLOW_METRICS, *OUTFLOW_METRICS} <= sums.keys():
            return None
        return cls(sum(sums[name] for name in INFLOW_METRICS), sum(sums[name] for name in OUTFLOW_METRICS))

    @property
    def missing(self) -> float:
        """Bytes that are unaccounted for; below zero: bytes that were never received."""
        return self.taken - self.accounted


def missing_bytes(first: ByteCounts, second: ByteCounts) -> float | None:
    """Return the bytes missing in both readings, 0 if none are, None if the flow hides it.

    Take the second reading soon after the first.
    """
    both = (first.missing, second.missing)
    if 0 in both or (both[0] > 0) is not (both[1] > 0):
        return 0.0
    flowed = max(abs(second.taken - first.taken), abs(second.accounted - first.accounted))
    smaller = min(both, key=abs)
    return smaller if abs(smaller) > flowed else None
