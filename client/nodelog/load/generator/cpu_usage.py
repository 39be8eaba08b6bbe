"""Whether the generator was the limit of a run: then its figures say nothing about the collector."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FULL: Final = 0.9
"""Which part of a core makes a process a limit."""


def busy() -> tuple[float, float] | None:
    """Give the busy and the whole time of all processors so far; None where the system does not tell."""
    try:
        fields = [float(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)


def verdict(shares: list[float], machine: float | None) -> str:
    """Say which part of a core each process took, and whether the generator was the limit."""
    said = " and ".join(f"{share:.0%}".replace("%", " %") for share in shares)
    text = f"{said} of a core"
    if was_limit(shares):
        text += " - the limit was the generator"
    elif machine is not None and machine >= FULL:
        text += f" - the machine was full ({machine:.0%}".replace("%", " %") + ")"
    return text


def was_limit(shares: list[float]) -> bool:
    """Tell whether a process of the generator had no time left."""
    return max(shares, default=0.0) >= FULL
