"""Whether the collector's counts agree: what it received is written, held, or dropped for a reason it gives.

Counters are not read all in one instant. While bytes flow, a difference may be no more than what flowed from
one reading to the next; only what is larger than that is a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

IN: Final = ("nodelog_received_bytes_total", "nodelog_added_bytes_total")
OUT: Final = (
    "nodelog_written_bytes_total",
    "nodelog_held_bytes",
    "nodelog_dropped_bytes_total",
    "nodelog_relp_overhead_bytes_total",
)


@dataclass(frozen=True, slots=True)
class Scrape:
    """What went in and what came of it, in bytes since the collector started."""

    taken: float
    accounted: float

    @classmethod
    def of(cls, sums: Mapping[str, float]) -> Scrape | None:
        """Make it of the sums of metrics; None where one of them is missing."""
        if not {*IN, *OUT} <= sums.keys():
            return None
        return cls(sum(sums[name] for name in IN), sum(sums[name] for name in OUT))

    @property
    def difference(self) -> float:
        """Bytes that are nowhere; less than zero: bytes that came from nowhere."""
        return self.taken - self.accounted


def difference(first: Scrape, second: Scrape) -> float | None:
    """Give the bytes that are missing in both scrapes, 0 if none are; None if the flow hides it.

    The second one is to be made soon after the first.
    """
    both = (first.difference, second.difference)
    if 0 in both or (both[0] > 0) is not (both[1] > 0):
        return 0.0
    flowed = max(abs(second.taken - first.taken), abs(second.accounted - first.accounted))
    least = min(both, key=abs)
    return least if abs(least) > flowed else None
