"""How fast something that is limited is used up, and when nothing of it will be left: bytes, inodes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES: Final = 120
"""As many within a window are enough."""
LEAST: Final = 12
"""This part of the window must have been seen before anything is said about growth."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How much was used at a time (seconds)."""

    time: float
    used: int


def growth(samples: Sequence[Sample], least: float) -> float:
    """Give what is added per second, by least squares; 0 while the samples span less than `least` seconds.

    A straight line through all of them: a rotation that frees space at once is one step among many.
    """
    if len(samples) < 3 or samples[-1].time - samples[0].time < least:  # noqa: PLR2004 (two make any line)
        return 0.0
    middle = sum(sample.time for sample in samples) / len(samples)
    mean = sum(sample.used for sample in samples) / len(samples)
    spread = sum((sample.time - middle) ** 2 for sample in samples)
    return sum((sample.time - middle) * (sample.used - mean) for sample in samples) / spread


def time_to_full(free: int, growing: float) -> float:
    """Give the seconds until nothing is free; infinite if it does not grow."""
    return free / growing if growing > 0 else math.inf


class Trend:
    """The samples of a window, no more of them than are of use."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take a sample, unless the last one is very young; forget those that are older than the window."""
        if self._samples and sample.time - self._samples[-1].time < self._window / SAMPLES:
            return
        self._samples.append(sample)
        while sample.time - self._samples[0].time > self._window:
            self._samples.popleft()

    @property
    def growth(self) -> float:
        """What is added per second."""
        return growth(self._samples, self._window / LEAST)
