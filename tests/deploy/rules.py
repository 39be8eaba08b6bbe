"""The rules that are shipped, and the same in a hurry.

A range is a hundredth as long: in less there would be too few scrapes. What has to last,
lasts a six-hundredth.
"""

from __future__ import annotations

import re
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
ALERTS_TEST = DEPLOY / "prometheus" / "alerts.test.yaml"
FASTER = 100
"""So many times as fast for ranges,"""
SOONER = 600
"""and for what lasts."""

_RANGE = re.compile(r"(?<=\[)\d+[smh](?=\])")
_LASTS = re.compile(r"(?<=\bfor: )\d+[smh]\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def in_a_hurry(rules: str) -> str:
    """Give the same rules with all ranges, and the times for which a condition must last, so much shorter."""
    rules = _RANGE.sub(lambda found: f"{_milliseconds(found[0]) // FASTER}ms", rules)
    return _LASTS.sub(lambda found: f"{_milliseconds(found[0]) // SOONER}ms", rules)


def _milliseconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]] * 1000


def names(text: str) -> set[str]:
    """Give the names of our metrics in a text."""
    return set(re.findall(r"\bnodelog_[a-z0-9_]+", text))
