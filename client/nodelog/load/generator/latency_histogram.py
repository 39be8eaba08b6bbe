"""How long lines took, as an HdrHistogram: from when each was planned until the kernel had it.

What comes in the middle of sending is counted by a dictionary. To put it into the histogram takes twenty
times as long: done for thousands at a time, that was a pause which the next lines were late by.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped] # it has no types

_LONGEST: Final = 3_600_000_000  # microseconds
_FIGURES: Final = 3
_GATHER: Final = 1024
_MOST: Final = 65_536  # different microseconds; more are put into the histogram at once
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)


class Latency:
    """Microseconds, to three figures, each counted for one write."""

    def __init__(self, encoded: str | None = None) -> None:
        self._histogram = HdrHistogram(1, _LONGEST, _FIGURES)
        self._counts: Counter[int] = Counter()  # by microseconds
        self._fresh: list[int] = []
        self.add = self._fresh.append
        """Take nanoseconds; in the middle of sending, so it costs next to nothing. See `settle`."""
        if encoded:
            self._histogram.decode_and_add(encoded)

    def settle(self, *, least: int = _GATHER) -> None:
        """Count what was added, if it is so much."""
        if len(self._fresh) < least:
            return
        self._counts.update([ns // 1000 for ns in self._fresh])
        self._fresh.clear()
        if len(self._counts) > _MOST:
            self._fold()

    def encode(self) -> str:
        """Give it as text, for another process."""
        self._fold()
        return str(self._histogram.encode().decode())

    def merge(self, encoded: str) -> None:
        """Add what another process counted."""
        self._histogram.decode_and_add(encoded)

    def figures(self) -> dict[str, int]:
        """Give mean, percentiles and the longest, in microseconds; nothing if nothing was counted."""
        self._fold()
        if not self._histogram.get_total_count():
            return {}
        at = {f"p{of:g}": int(self._histogram.get_value_at_percentile(of)) for of in PERCENTILES}
        mean, longest = self._histogram.get_mean_value(), self._histogram.get_max_value()
        return {"mean": round(mean), **at, "max": int(longest)}

    def curve(self) -> list[tuple[float, int]]:
        """Give percentiles and their microseconds, closer to each other the nearer to 100."""
        self._fold()
        steps = self._histogram.get_percentile_iterator(5)
        return [(step.percentile_level_iterated_to, int(step.value_iterated_to)) for step in steps]

    def _fold(self) -> None:
        self.settle(least=1)
        for microseconds, count in self._counts.items():
            self._histogram.record_value(min(max(microseconds, 1), _LONGEST), count)
        self._counts.clear()
