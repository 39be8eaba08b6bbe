"""The rules that are shipped, and the same in a hurry: 100 of their seconds are one of a test."""

from __future__ import annotations

import re
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
ALERTS_TEST = DEPLOY / "prometheus" / "alerts.test.yaml"
FASTER = 100
"""So many times as fast."""

_DURATION = re.compile(r"(?<=\[)\d+[smh](?=\])|(?<=\bfor: )\d+[smh]\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def in_a_hurry(rules: str) -> str:
    """Give the same rules with all ranges, and the times for which a condition must last, so much shorter."""
    return _DURATION.sub(lambda found: f"{_shorter(found[0])}ms", rules)


def _shorter(duration: str) -> int:
    """Give milliseconds."""
    return int(duration[:-1]) * _SECONDS[duration[-1]] * 1000 // FASTER


def names(text: str) -> set[str]:
    """Give the names of our metrics in a text."""
    return set(re.findall(r"\bnodelog_[a-z0-9_]+", text))
