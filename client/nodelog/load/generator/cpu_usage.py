"""Whether the generator was the bottleneck of a run; if so, the figures say nothing about the collector."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SATURATED: Final = 0.9
"""The share of a core from which on a process is a bottleneck."""


def read_cpu_times() -> tuple[float, float] | None:
    """Return the busy and the total time of all processors so far; None where the system does not tell."""
    try:
        fields = [float(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)


def describe_usage(shares: list[float], machine: float | None) -> str:
    """Return each process's share of a core as text, and whether the generator was the bottleneck."""
    percentages = " and ".join(f"{share:.0%}".replace("%", " %") for share in shares)
    text = f"{percentages} of a core"
    if is_saturated(shares):
        text += " - the limit was the generator"
    elif machine is not None and machine >= SATURATED:
        text += f" - the machine was full ({machine:.0%}".replace("%", " %") + ")"
    return text


def is_saturated(shares: list[float]) -> bool:
    """Return whether a process of the generator had no time left."""
    return max(shares, default=0.0) >= SATURATED
