"""Joins the lines of a record, within limits: a record that does not end must not stay unsent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelog.commands.multiline.record_rules import Place

if TYPE_CHECKING:
    from nodelog.commands.multiline.record_rules import RecordRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLimits:
    """When a record is taken as complete although its end has not come."""

    lines: int
    size: int
    """Bytes, with the LFs inside as they are sent: as two characters each."""
    seconds: float
    """Time since its first line."""


class RecordJoiner:
    """Takes whole lines and returns records: bytes that end with an LF and may have others inside."""

    def __init__(self, rule: RecordRule, limits: RecordLimits) -> None:
        self.deadline = math.inf
        """When `expire` has something to do; a monotonic time."""
        self._rule = rule
        self._limits = limits
        self._lines: list[bytes] = []  # of the record that may go on
        self._maybe: list[bytes] = []  # lines after it that belong to it if the next one does
        self._size = 0

    def feed(self, lines: bytes, now: float) -> list[bytes]:
        """Take whole lines, each with its LF; return the records that are complete."""
        done: list[bytes] = []
        for line in lines[:-1].split(b"\n"):
            done += self._add(line, now)
        return done

    def expire(self, now: float) -> list[bytes]:
        """Return the open record if its time is over."""
        if now < self.deadline:
            return []
        self._rule.reset()
        return self.finish()

    def finish(self) -> list[bytes]:
        """Return what is open: no more lines come."""
        record = [b"\n".join(self._lines) + b"\n"] if self._lines else []
        alone = [line + b"\n" for line in self._maybe]
        self._lines, self._maybe, self._size, self.deadline = [], [], 0, math.inf
        return record + alone

    def _add(self, line: bytes, now: float) -> list[bytes]:
        place = self._rule.place(line)
        if place is Place.MAYBE and self._lines:
            self._maybe.append(line)
            return []
        if place is not Place.NEXT:
            done = self.finish()
            self._open(line, now)
            return done + (self.finish() if place in {Place.ALONE, Place.MAYBE} else [])
        return self._continue(line, now)

    def _continue(self, line: bytes, now: float) -> list[bytes]:
        added = [*self._maybe, line]
        size = self._size + sum(len(part) + 2 for part in added)
        if not self._lines or len(self._lines) + len(added) > self._limits.lines or size > self._limits.size:
            done = self.finish()
            self._open(line, now)
            return done
        self._lines += added
        self._size = size
        self._maybe.clear()
        return []

    def _open(self, line: bytes, now: float) -> None:
        self._lines, self._size = [line], len(line)
        self.deadline = now + self._limits.seconds


def to_lines(records: list[bytes]) -> bytes:
    r"""Return records as lines: an LF inside one becomes the two characters `\n`, as `Shipper.send` does."""
    return b"".join(record[:-1].replace(b"\n", b"\\n") + b"\n" for record in records)
