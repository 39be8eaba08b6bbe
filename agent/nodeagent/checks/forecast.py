"""How fast a limited resource (bytes, inodes) is used up, and when none of it will be left.

Growth is what goes on: what was written at one time, such as an image or a first archive, is no forecast. So
the part of the window that grew most, a 12th of it, is left out, and the rest tells the rate.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SAMPLES: Final = 120
"""As many within a window are enough."""
WARMUP_DIVISOR: Final = 12
"""The samples must span this part of the window, a 12th, before they yield a growth rate."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How much was used at a time (seconds)."""

    time: float
    used: int


def growth_rate(samples: Sequence[Sample], min_span: float) -> float:
    """Return the growth per second by least squares; 0 while the samples span less than `min_span` seconds.

    A straight line through all samples: a rotation that frees space at once is one step among many.
    """
    if len(samples) < 3 or samples[-1].time - samples[0].time < min_span:  # noqa: PLR2004 (two make any line)
        return 0.0
    mean_time = sum(sample.time for sample in samples) / len(samples)
    mean_used = sum(sample.used for sample in samples) / len(samples)
    variance = sum((sample.time - mean_time) ** 2 for sample in samples)
    return sum((sample.time - mean_time) * (sample.used - mean_used) for sample in samples) / variance


def time_to_full(free: int, growth: float) -> float:
    """Return the seconds until nothing is free at this growth per second; infinite if it does not grow."""
    return free / growth if growth > 0 else math.inf


def without_largest_burst(samples: Sequence[Sample], span: float) -> list[Sample]:
    """Return the samples without the `span` seconds in which the usage grew most, and without that growth.

    What comes after is moved back, so that the samples before and after it are one line.
    """
    first, last, most = 0, 0, 0
    end = 0
    for start, sample in enumerate(samples):
        end = max(end, min(start + 1, len(samples) - 1))
        while end + 1 < len(samples) and samples[end + 1].time - sample.time <= span:
            end += 1
        if (grown := samples[end].used - sample.used) > most:
            first, last, most = start, end, grown
    seconds = samples[last].time - samples[first].time if samples else 0.0
    moved = (Sample(later.time - seconds, later.used - most) for later in samples[last + 1 :])
    return [*samples[: first + 1], *moved] if most else list(samples)


class UsageTrend:
    """The usage samples of a sliding window (seconds), at most MAX_SAMPLES + 1 of them."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Add a sample unless the previous one is very recent; drop those older than the window."""
        if self._samples and sample.time - self._samples[-1].time < self._window / MAX_SAMPLES:
            return
        self._samples.append(sample)
        while sample.time - self._samples[0].time > self._window:
            self._samples.popleft()

    @property
    def growth(self) -> float:
        """Growth per second, apart from its largest burst."""
        span = self._samples[-1].time - self._samples[0].time if self._samples else 0.0
        warmup = self._window / WARMUP_DIVISOR
        if span < warmup:
            return 0.0
        burst = min(warmup, span * 2 / 3)
        rest = without_largest_burst(list(self._samples), burst)
        return growth_rate(rest, (span - burst) / 2)
