"""Which lines of each connection were received, how often, and in which order.

Lines mostly come in runs, so what is kept are spans: first and last number of lines that stand one behind
the other. Whatever the order in which files are read, spans of all of them together say what is lost and
doubled. Order is that within a file: a line is reordered if one with a higher number of its connection
stands before it. Lines that are there more than once are left out of that, they are told as doubled.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

from nodelog.load.verifier.line_matcher import FEW, NUMBER_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NUMBER: Final = (1 << NUMBER_BITS) - 1

Span = tuple[int, int]
"""The lines from the first number up to, not including, the second."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of lines of one connection, from the first to the last."""

    connection: int
    first: int
    last: int


class Found:
    """How many lines are in the same trouble, and the first few of them."""

    def __init__(self) -> None:
        self.lines = 0
        self.first: list[Finding] = []
        self.rows: Counter[int] = Counter()
        """How many rows of them each connection has."""

    def add(self, connection: int, span: Span) -> None:
        """Count these."""
        first, end = span
        self.lines += end - first
        self.rows[connection] += 1
        if len(self.first) < FEW:
            self.first.append(Finding(connection, first, end - 1))


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the lines of a run."""

    received: int
    """Different lines."""
    lost: Found
    doubled: Found
    """Copies beyond the first."""
    reordered: Found
    unknown: Found
    """Received, but not among those that were sent."""


class Tally:
    """Takes the keys of lines, file by file; a key has the connection above NUMBER_BITS."""

    def __init__(self) -> None:
        self._files: list[dict[int, array[int]]] = []
        self._ends: dict[int, int] = {}

    def begin_file(self) -> None:
        """Go on with another file."""
        self.end_file()
        self._files.append({})

    def end_file(self) -> None:
        """Close the spans that are open."""
        for connection, end in self._ends.items():
            self._files[-1][connection].append(end)
        self._ends = {}

    def take(self, keys: Iterable[int]) -> None:
        """Count lines, in the order in which they stand in the file."""
        ends = self._ends
        connection, follows = -1, -1
        for key in keys:
            if key == follows:
                follows += 1
                continue
            if connection >= 0:
                ends[connection] = follows
            connection = key >> NUMBER_BITS
            if ends.get(connection) != key:
                self._jump(connection, key)
            follows = key + 1
        if connection >= 0:
            ends[connection] = follows

    def account(self, sent: Mapping[int, int] | None, unsettled: Mapping[int, int] | None = None) -> Account:
        """Say what became of the lines; `sent` of each connection, else up to the highest number seen.

        So many behind these are `unsettled`: they are neither missed nor unknown.
        """
        self.end_file()
        lost, doubled, reordered, unknown = Found(), Found(), Found(), Found()
        received = 0
        connections = {connection for spans in self._files for connection in spans} | (sent or {}).keys()
        for connection in sorted(connections):
            files = [_spans(spans[connection]) for spans in self._files if connection in spans]
            once, again = _overlay(sorted(span for spans in files for span in spans))
            received += sum(end - first for first, end in once)
            highest = once[-1][1] if once else 0
            end = highest if sent is None else sent.get(connection, 0)
            for gap in _gaps(once, end):
                lost.add(connection, gap)
            for span in again:
                doubled.add(connection, span)
            for span in _within(once, end + (unsettled or {}).get(connection, 0), highest):
                unknown.add(connection, span)
            copied = _overlay(sorted(again))[0]
            for spans in files:
                for span in _behind(_without(spans, copied)):
                    reordered.add(connection, span)
        return Account(received, lost, doubled, reordered, unknown)

    def _jump(self, connection: int, key: int) -> None:
        """Begin a span, and end the one before it."""
        spans = self._files[-1].setdefault(connection, array("Q"))
        if connection in self._ends:
            spans.append(self._ends[connection])
        spans.append(key)


def _spans(keys: array[int]) -> list[Span]:
    return [(first & _NUMBER, end & _NUMBER) for first, end in zip(keys[::2], keys[1::2], strict=True)]


def _overlay(spans: list[Span]) -> tuple[list[Span], list[Span]]:
    """Give what sorted spans cover, and what of it they cover again: each further time by itself."""
    once: list[Span] = []
    again: list[Span] = []
    for first, end in spans:
        reached = once[-1][1] if once else -1
        if first < reached:
            again.append((first, min(end, reached)))
        if end > reached:
            if first <= reached:
                once[-1] = (once[-1][0], end)
            else:
                once.append((first, end))
    return once, again


def _gaps(once: list[Span], end: int) -> Iterator[Span]:
    """Give what is missing from 0 to `end`."""
    bounds = [(0, 0), *((first, min(stop, end)) for first, stop in once if first < end), (end, end)]
    for (_, before), (after, _) in pairwise(bounds):
        if before < after:
            yield before, after


def _within(spans: list[Span], least: int, most: int) -> Iterator[Span]:
    for first, end in spans:
        if max(first, least) < min(end, most):
            yield max(first, least), min(end, most)


def _without(spans: list[Span], others: list[Span]) -> Iterator[Span]:
    """Give the spans, in their order, without what is in the others, which are sorted."""
    ends = [end for _, end in others]
    for first, end in spans:
        at = first
        for other, stop in islice(others, bisect_right(ends, first), None):
            if other >= end:
                break
            if at < other:
                yield at, other
            at = stop
        if at < end:
            yield at, end


def _behind(spans: Iterable[Span]) -> Iterator[Span]:
    """Give those that stand behind a higher one."""
    highest = -1
    for span in spans:
        if span[0] < highest:
            yield span
        highest = max(highest, span[1])
