"""How long writes took, as an HdrHistogram: from when each was due until the kernel had all of it.

While a load is sent, values are counted in a dictionary. Adding them to the histogram takes twenty times as
long: done for thousands at a time, that was a pause that delayed the next lines.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped] # it has no types

_MAX: Final = 3_600_000_000  # microseconds
_SIGNIFICANT_FIGURES: Final = 3
_MIN_COLLECT: Final = 1024
_MAX_COUNTS: Final = 65_536  # different microseconds; more are moved into the histogram at once
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)


class LatencyHistogram:
    """Latencies in microseconds, to three significant figures; each write counts once."""

    def __init__(self, encoded: str | None = None) -> None:
        self._histogram = HdrHistogram(1, _MAX, _SIGNIFICANT_FIGURES)
        self._counts: Counter[int] = Counter()  # by microseconds
        self._recent: list[int] = []
        self.add = self._recent.append
        """Add a latency in nanoseconds. Called while sending, so it costs next to nothing; see `collect`."""
        if encoded:
            self._histogram.decode_and_add(encoded)

    def collect(self, *, least: int = _MIN_COLLECT) -> None:
        """Count the values added since the last call, if there are at least `least`."""
        if len(self._recent) < least:
            return
        self._counts.update([ns // 1000 for ns in self._recent])
        self._recent.clear()
        if len(self._counts) > _MAX_COUNTS:
            self._record()

    def encode(self) -> str:
        """Return the histogram as text, for another process."""
        self._record()
        return str(self._histogram.encode().decode())

    def merge(self, encoded: str) -> None:
        """Add the histogram of another process."""
        self._histogram.decode_and_add(encoded)

    def summary(self) -> dict[str, int]:
        """Return mean, percentiles and maximum in microseconds; empty if nothing was counted."""
        self._record()
        if not self._histogram.get_total_count():
            return {}
        percentiles = {f"p{p:g}": int(self._histogram.get_value_at_percentile(p)) for p in PERCENTILES}
        mean, maximum = self._histogram.get_mean_value(), self._histogram.get_max_value()
        return {"mean": round(mean), **percentiles, "max": int(maximum)}

    def percentile_curve(self) -> list[tuple[float, int]]:
        """Return percentiles with their microseconds, more densely the nearer to 100."""
        self._record()
        steps = self._histogram.get_percentile_iterator(5)
        return [(step.percentile_level_iterated_to, int(step.value_iterated_to)) for step in steps]

    def _record(self) -> None:
        """Move all values into the histogram."""
        self.collect(least=1)
        for microseconds, count in self._counts.items():
            self._histogram.record_value(min(max(microseconds, 1), _MAX), count)
        self._counts.clear()
