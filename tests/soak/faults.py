"""What is a fault: pure functions of what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGER = 8 << 20
"""Bytes that the last quarter may take more than the first."""
ENOUGH = 16
"""Rounds to compare quarters of: each then has all scenes of a turn, some of which take more than others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of one load, as `nodelog verify` found it."""

    load: str
    sent: int
    bytes: int
    lost: int
    gaps: int
    """Places where lines are missing, of the connection with most."""
    doubled: int
    torn: int
    reordered: int
    unknown: int
    """Lines that nobody sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The most memory of a round, bytes, and whether logd was restarted in it."""

    rss: int
    restarts: int


def of_lines(found: Found, restarts: int) -> list[str]:
    """Judge a load: as lines are not acknowledged, each restart may leave a gap in a connection."""
    counts = {
        "doubled": found.doubled,
        "torn": found.torn,
        "reordered": found.reordered,
        "unknown": found.unknown,
        "lost": 0 if restarts else found.lost,
    }
    faults = [f"{found.load}: {count:,} lines {what}" for what, count in counts.items() if count]
    if restarts and found.gaps > restarts:
        faults.append(f"{found.load}: lost in {found.gaps} places of a connection, by {restarts} restarts")
    return faults


def of_speech(lines: Sequence[str], may_say: str | None) -> list[str]:
    """Judge what logd said on its stderr: records of JSON, no other warning than this one."""
    faults = []
    for line in lines:
        if not line.startswith("{"):
            faults.append(f"logd said: {line}")
            continue
        record = json.loads(line)
        expected = may_say is not None and record["message"].startswith(may_say)
        if record["level"] not in {"debug", "info"} and not expected:
            faults.append(f"logd said: {record['level']}: {record['message']}")
    return faults


def of_memory(rounds: Sequence[Memory]) -> list[str]:
    """Compare the last quarter with the first: of all rounds, and of each process that lived for some."""
    lives: list[list[Memory]] = [[]]
    for memory in rounds:
        if memory.restarts:
            lives.append([])
        lives[-1].append(memory)
    faults = []
    for which in [rounds, *lives] if len(lives) > 1 else [rounds]:
        first, last = quarters(which)
        if last > first + LARGER:
            faults.append(
                f"RSS grew from {first / 1e6:.1f} to {last / 1e6:.1f} MB, "
                f"from the first to the last quarter of {len(which)} rounds"
            )
    return faults


def quarters(rounds: Sequence[Memory]) -> tuple[int, int]:
    """Give the most memory of the first and of the last quarter; 0 if there are not enough rounds."""
    if len(rounds) < ENOUGH:
        return 0, 0
    quarter = len(rounds) // 4
    return max(one.rss for one in rounds[:quarter]), max(one.rss for one in rounds[-quarter:])
