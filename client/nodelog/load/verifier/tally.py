"""Which lines of each connection were received, how often, and in which order.

Most lines follow the one with the number before, so only spans are stored: the first and the last number of
consecutive lines. Whatever the order in which files are read, the spans of all files together show what is
lost and doubled. Order means order within a file: a line is reordered if one with a higher number of its
connection stands before it. Lines that occur more than once do not count for that: they are reported as
doubled.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

from nodelog.load.verifier.line_matcher import MAX_EXAMPLES, NUMBER_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NUMBER_MASK: Final = (1 << NUMBER_BITS) - 1

Span = tuple[int, int]
"""The lines from the first number up to, but not including, the second."""


@dataclass(frozen=True, slots=True)
class LineRange:
    """Consecutive lines of one connection, from `first` to `last`."""

    connection: int
    first: int
    last: int


class LineFault:
    """The lines with one kind of fault: how many, and the first few ranges of them."""

    def __init__(self) -> None:
        self.lines = 0
        self.examples: list[LineRange] = []
        self.ranges: Counter[int] = Counter()
        """The number of ranges by connection."""

    def add(self, connection: int, span: Span) -> None:
        """Count the lines of a span."""
        first, end = span
        self.lines += end - first
        self.ranges[connection] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(LineRange(connection, first, end - 1))


@dataclass(frozen=True, slots=True)
class LineCounts:
    """What became of the lines of a run."""

    received: int
    """Different lines."""
    lost: LineFault
    doubled: LineFault
    """Copies beyond the first."""
    reordered: LineFault
    unknown: LineFault
    """Received, but not among those that were sent."""


class Tally:
    """Collects the keys of lines, file by file; see NUMBER_BITS for the format of a key."""

    def __init__(self) -> None:
        self._files: list[dict[int, array[int]]] = []
        self._ends: dict[int, int] = {}

    def begin_file(self) -> None:
        """Start another file."""
        self.end_file()
        self._files.append({})

    def end_file(self) -> None:
        """Close the spans that are open."""
        for connection, end in self._ends.items():
            self._files[-1][connection].append(end)
        self._ends = {}

    def add(self, keys: Iterable[int]) -> None:
        """Add lines in the order in which they stand in the file."""
        ends = self._ends
        connection, expected = -1, -1
        for key in keys:
            if key == expected:
                expected += 1
                continue
            if connection >= 0:
                ends[connection] = expected
            connection = key >> NUMBER_BITS
            if ends.get(connection) != key:
                self._start_span(connection, key)
            expected = key + 1
        if connection >= 0:
            ends[connection] = expected

    def count(
        self, sent: Mapping[int, int] | None, unacknowledged: Mapping[int, int] | None = None
    ) -> LineCounts:
        """Return what became of the lines, given how many each connection sent.

        Without `sent`, all lines up to the highest number seen count as sent. The `unacknowledged` lines that
        follow them may have been received or not: they are neither lost nor unknown.
        """
        self.end_file()
        lost, doubled, reordered, unknown = LineFault(), LineFault(), LineFault(), LineFault()
        received = 0
        connections = {connection for spans in self._files for connection in spans} | (sent or {}).keys()
        for connection in sorted(connections):
            files = [_spans(spans[connection]) for spans in self._files if connection in spans]
            covered, repeated = _overlay(sorted(span for spans in files for span in spans))
            received += sum(end - first for first, end in covered)
            highest = covered[-1][1] if covered else 0
            end = highest if sent is None else sent.get(connection, 0)
            for gap in _gaps(covered, end):
                lost.add(connection, gap)
            for span in repeated:
                doubled.add(connection, span)
            for span in _clip(covered, end + (unacknowledged or {}).get(connection, 0), highest):
                unknown.add(connection, span)
            repeated_once = _overlay(sorted(repeated))[0]
            for spans in files:
                for span in _behind(_subtract(spans, repeated_once)):
                    reordered.add(connection, span)
        return LineCounts(received, lost, doubled, reordered, unknown)

    def _start_span(self, connection: int, key: int) -> None:
        """Start a span, and end the one before it."""
        spans = self._files[-1].setdefault(connection, array("Q"))
        if connection in self._ends:
            spans.append(self._ends[connection])
        spans.append(key)


def _spans(keys: array[int]) -> list[Span]:
    pairs = zip(keys[::2], keys[1::2], strict=True)
    return [(first & _NUMBER_MASK, end & _NUMBER_MASK) for first, end in pairs]


def _overlay(spans: list[Span]) -> tuple[list[Span], list[Span]]:
    """Return what sorted spans cover, and what they cover again, with one span for each further time."""
    covered: list[Span] = []
    repeated: list[Span] = []
    for first, end in spans:
        reached = covered[-1][1] if covered else -1
        if first < reached:
            repeated.append((first, min(end, reached)))
        if end > reached:
            if first <= reached:
                covered[-1] = (covered[-1][0], end)
            else:
                covered.append((first, end))
    return covered, repeated


def _gaps(covered: list[Span], end: int) -> Iterator[Span]:
    """Yield what is missing from 0 to `end`."""
    bounds = [(0, 0), *((first, min(stop, end)) for first, stop in covered if first < end), (end, end)]
    for (_, before), (after, _) in pairwise(bounds):
        if before < after:
            yield before, after


def _clip(spans: list[Span], minimum: int, maximum: int) -> Iterator[Span]:
    """Yield the parts of spans from `minimum` up to `maximum`."""
    for first, end in spans:
        if max(first, minimum) < min(end, maximum):
            yield max(first, minimum), min(end, maximum)


def _subtract(spans: list[Span], others: list[Span]) -> Iterator[Span]:
    """Yield the spans, in their order, without what is in `others`, which are sorted."""
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
    """Yield the spans that stand after a higher one."""
    highest = -1
    for span in spans:
        if span[0] < highest:
            yield span
        highest = max(highest, span[1])
