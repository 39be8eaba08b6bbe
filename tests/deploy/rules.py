"""The shipped alert rules, and the same rules sped up for tests.

Ranges become 100 times shorter: shorter ones would hold too few scrapes. The times for which a condition must
last become 600 times shorter.
"""

from __future__ import annotations

import re
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
ALERTS_TEST = DEPLOY / "prometheus" / "alerts.test.yaml"
RANGE_SPEEDUP = 100
DURATION_SPEEDUP = 600
_RANGE = re.compile(r"(?<=\[)\d+[smh](?=\])")
_DURATION = re.compile(r"(?<=\bfor: )\d+[smh]\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def speed_up(rules: str) -> str:
    """Return the rules with shorter ranges, and shorter times for which a condition must last."""
    rules = _RANGE.sub(lambda found: f"{_milliseconds(found[0]) // RANGE_SPEEDUP}ms", rules)
    return _DURATION.sub(lambda found: f"{_milliseconds(found[0]) // DURATION_SPEEDUP}ms", rules)


def _milliseconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]] * 1000


def metric_names(text: str) -> set[str]:
    """Return the names of our metrics in a text."""
    return set(re.findall(r"\bnodelog_[a-z0-9_]+", text))
