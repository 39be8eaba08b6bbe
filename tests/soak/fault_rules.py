"""What counts as a fault: pure functions of the results of rounds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GROWTH = 8 << 20
"""Bytes of memory that the last quarter may use beyond the first."""
MIN_ROUNDS = 16
"""Rounds needed to compare quarters: then each quarter has every scene, and some need more memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The result of one load, as reported by `nodelog verify`."""

    load: str
    sent: int
    bytes: int
    lost: int
    gaps: int
    """Places with missing lines, in the connection that has most of them."""
    doubled: int
    torn: int
    reordered: int
    unknown: int
    """Lines that were never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The peak memory of a round in bytes, and how often logd was restarted in it."""

    rss: int
    restarts: int


def line_faults(result: LoadResult, restarts: int) -> list[str]:
    """Return the faults of a load; without acks, each restart may leave a gap in every connection."""
    counts = {
        "doubled": result.doubled,
        "torn": result.torn,
        "reordered": result.reordered,
        "unknown": result.unknown,
        "lost": 0 if restarts else result.lost,
    }
    faults = [f"{result.load}: {count:,} lines {what}" for what, count in counts.items() if count]
    if restarts and result.gaps > restarts:
        faults.append(
            f"{result.load}: lines lost in {result.gaps} places of a connection, with {restarts} restarts"
        )
    return faults


def log_faults(lines: Sequence[str], expected_warning: str | None) -> list[str]:
    """Return the faults in logd's own log: only JSON records, and no warning but the expected one."""
    faults = []
    for line in lines:
        if not line.startswith("{"):
            faults.append(f"logd logged: {line}")
            continue
        record = json.loads(line)
        expected = expected_warning is not None and record["message"].startswith(expected_warning)
        if record["level"] not in {"debug", "info"} and not expected:
            faults.append(f"logd logged: {record['level']}: {record['message']}")
    return faults


def memory_faults(rounds: Sequence[Memory]) -> list[str]:
    """Compare the last quarter with the first: of all rounds, and of the rounds of each process."""
    processes: list[list[Memory]] = [[]]
    for memory in rounds:
        if memory.restarts:
            processes.append([])
        processes[-1].append(memory)
    faults = []
    for group in [rounds, *processes] if len(processes) > 1 else [rounds]:
        first, last = first_and_last_quarter(group)
        if last > first + MAX_GROWTH:
            faults.append(
                f"RSS grew from {first / 1e6:.1f} to {last / 1e6:.1f} MB, "
                f"from the first to the last quarter of {len(group)} rounds"
            )
    return faults


def first_and_last_quarter(rounds: Sequence[Memory]) -> tuple[int, int]:
    """Return the peak memory of the first and the last quarter; zeros if there are too few rounds."""
    if len(rounds) < MIN_ROUNDS:
        return 0, 0
    quarter = len(rounds) // 4
    return max(one.rss for one in rounds[:quarter]), max(one.rss for one in rounds[-quarter:])
