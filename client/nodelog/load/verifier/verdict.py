"""Reads back what a load sent, and reports which lines were lost, doubled, torn or reordered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nodelog.load.verifier.file_chunks import distinct_files, read_chunks
from nodelog.load.verifier.line_matcher import LineMatcher, TornLine
from nodelog.load.verifier.tally import LineCounts, LineFault, LineRange, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class SentError(Exception):
    """The JSON of a load cannot be used; the message says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the files contain of one run."""

    run: str
    files: int
    left_out: tuple[str, ...]
    """Files that were given twice, or both compressed and not."""
    is_sent_known: bool
    counts: LineCounts
    torn: int
    torn_examples: tuple[TornLine, ...]
    foreign: int
    """Lines of other senders."""

    @property
    def is_good(self) -> bool:
        """Whether every line is there exactly once, intact and in order."""
        counts = self.counts
        faults = (counts.lost, counts.doubled, counts.reordered, counts.unknown)
        return not self.torn and not any(fault.lines for fault in faults) and counts.received > 0


def verify(
    run: str,
    paths: list[Path],
    sent: Mapping[int, int] | None,
    on_progress: Callable[[Path, int], None],
    unacknowledged: Mapping[int, int] | None = None,
) -> Verdict:
    """Read files, in any order; `sent` is how many lines each connection sent, if that is known.

    The `unacknowledged` lines that follow them may be stored or not; both is correct. `on_progress` is called
    with a file and the number of its bytes read so far. Raises ReadError.
    """
    files, left_out = distinct_files(paths)
    matcher, tally = LineMatcher(run), Tally()
    for path in files:
        tally.begin_file()
        for chunk in read_chunks(path, partial(on_progress, path)):
            if chunk.is_whole:
                for keys in matcher.match(chunk.data, str(path), chunk.offset):
                    tally.add(keys)
            else:
                matcher.match_unterminated(chunk.data, str(path), chunk.offset)
    return Verdict(
        run=run,
        files=len(files),
        left_out=tuple(str(path) for path in left_out),
        is_sent_known=sent is not None,
        counts=tally.count(sent, unacknowledged),
        torn=matcher.torn,
        torn_examples=tuple(matcher.torn_examples),
        foreign=matcher.foreign,
    )


def parse_sent(text: str) -> tuple[str, dict[int, int], dict[int, int]]:
    """Return run, and lines sent and unacknowledged by connection, from what `nodelog load --json` printed.

    Raises SentError.
    """
    try:
        load = json.loads(text)
        return str(load["run"]), _counts(load["sent"]), _counts(load.get("unacknowledged", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SentError("it is not what nodelog load --json prints") from None


def _counts(by_connection: dict[str, int]) -> dict[int, int]:
    return {int(number): int(lines) for number, lines in by_connection.items()}


def to_json(verdict: Verdict) -> dict[str, Any]:
    """Return what `--json` prints."""
    counts = verdict.counts
    faults = {"lost": counts.lost, "doubled": counts.doubled, "reordered": counts.reordered}
    return {
        "run": verdict.run,
        "files": verdict.files,
        "left_out": list(verdict.left_out),
        "sent_is_known": verdict.is_sent_known,
        "received": counts.received,
        **{name: fault.lines for name, fault in faults.items()},
        "torn": verdict.torn,
        "unknown": counts.unknown.lines,
        "gaps": max(counts.lost.ranges.values(), default=0),
        "foreign": verdict.foreign,
        "first": {name: [asdict(one) for one in fault.examples] for name, fault in faults.items()},
        "first_torn": [asdict(one) | {"text": ascii(one.text)[2:-1]} for one in verdict.torn_examples],
        "good": verdict.is_good,
    }


def to_text(verdict: Verdict) -> list[str]:
    """Return the lines of the text report."""
    counts = verdict.counts
    report = [
        f"left out:  {path}: it is given twice, or is the compressed copy of another"
        for path in verdict.left_out
    ]
    files = f"{verdict.files} files" if verdict.files != 1 else "1 file"
    report.append(f"received:  {counts.received:,} lines of run {verdict.run} in {files}")
    report += _describe_fault("lost", counts.lost)
    report += _describe_fault("doubled", counts.doubled)
    report.append(f"torn:      {verdict.torn:,}")
    report += [
        f"           {one.file} at byte {one.offset}: {_shorten(one.text)}" for one in verdict.torn_examples
    ]
    report += _describe_fault("reordered", counts.reordered)
    if counts.unknown.lines:
        report += _describe_fault("unknown", counts.unknown)
        report.append("           (received, but not among those that were sent)")
    report.append(f"foreign:   {verdict.foreign:,} lines of others")
    if not verdict.is_sent_known:
        note = "how many were sent is not known (--sent): lines lost at the end are not seen"
        report.append(f"note:      {note}")
    return report


def _describe_fault(name: str, fault: LineFault) -> list[str]:
    label = f"{name}:".ljust(10)
    return [f"{label} {fault.lines:,}", *(f"           {_describe_range(one)}" for one in fault.examples)]


def _describe_range(lines: LineRange) -> str:
    if lines.first == lines.last:
        return f"connection {lines.connection}: line {lines.first}"
    return f"connection {lines.connection}: lines {lines.first} to {lines.last}"


def _shorten(text: bytes) -> str:
    shown = ascii(text)[2:-1]
    return shown if len(shown) <= 72 else f"{shown[:69]}..."  # noqa: PLR2004 (fits into a line)
