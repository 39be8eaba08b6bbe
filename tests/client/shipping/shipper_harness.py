"""Lines, a shipper that sends them, and what it reports about those that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from nodelog import Shipper

HOST = "127.0.0.1"


def lines_of(name: str, count: int) -> list[bytes]:
    """Return lines with this name and their numbers."""
    return [f"{name} {number}".encode() for number in range(count)]


def send_all(shipper: Shipper, lines: list[bytes]) -> None:
    """Send lines, each as soon as there is room."""
    for line in lines:
        assert shipper.send(line, PATIENCE)


def unacknowledged(count: int, spool: Path | str | None) -> str:
    """Return the message about lines that are left at the end, in a file or in memory."""
    lines = f"{count} lines are not acknowledged; they"
    if spool is None:
        return f"{lines} were in memory and are lost"
    return f"{lines} wait in {spool}: the next run or `nodelog pipe --spool {spool} </dev/null` sends them"
