"""Reads back what a load sent, and says which lines were lost, doubled, torn or reordered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nodelog.load.verifier.file_chunks import distinct, pieces
from nodelog.load.verifier.line_matcher import Checker, Torn
from nodelog.load.verifier.tally import Account, Finding, Found, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class SentError(Exception):
    """Why the JSON of a load cannot be used, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is in the files of one run."""

    run: str
    files: int
    left_out: tuple[str, ...]
    """Files that were given twice, or packed and not packed."""
    is_sent_known: bool
    account: Account
    torn: int
    first_torn: tuple[Torn, ...]
    foreign: int
    """Lines of others."""

    @property
    def is_good(self) -> bool:
        """True if every line is there once, whole and in its order."""
        account = self.account
        troubles = (account.lost, account.doubled, account.reordered, account.unknown)
        return not self.torn and not any(found.lines for found in troubles) and account.received > 0


def verify(
    run: str,
    paths: list[Path],
    sent: Mapping[int, int] | None,
    tell: Callable[[Path, int], None],
    unsettled: Mapping[int, int] | None = None,
) -> Verdict:
    """Read files, in any order; `sent` is how many lines each connection sent, as far as that is known.

    Of the `unsettled` behind them it is not known whether they are stored; both is right.
    `tell` is called with a file and how many of its bytes are read. Raises ReadError.
    """
    files, left_out = distinct(paths)
    checker, tally = Checker(run), Tally()
    for path in files:
        tally.begin_file()
        for piece in pieces(path, lambda done, path=path: tell(path, done)):  # type: ignore[misc] # its default
            if piece.is_whole:
                for keys in checker.keys(piece.data, str(path), piece.offset):
                    tally.take(keys)
            else:
                checker.unfinished(piece.data, str(path), piece.offset)
    return Verdict(
        run=run,
        files=len(files),
        left_out=tuple(str(path) for path in left_out),
        is_sent_known=sent is not None,
        account=tally.account(sent, unsettled),
        torn=checker.torn,
        first_torn=tuple(checker.first_torn),
        foreign=checker.foreign,
    )


def read_sent(text: str) -> tuple[str, dict[int, int], dict[int, int]]:
    """Give run, and lines sent and unsettled by connection, from what `nodelog load --json` printed.

    Raises SentError.
    """
    try:
        told = json.loads(text)
        return str(told["run"]), _counts(told["sent"]), _counts(told.get("unacknowledged", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SentError("it is not what nodelog load --json prints") from None


def _counts(told: dict[str, int]) -> dict[int, int]:
    return {int(number): int(lines) for number, lines in told.items()}


def to_json(verdict: Verdict) -> dict[str, Any]:
    """Give what `--json` prints."""
    account = verdict.account
    found = {"lost": account.lost, "doubled": account.doubled, "reordered": account.reordered}
    return {
        "run": verdict.run,
        "files": verdict.files,
        "left_out": list(verdict.left_out),
        "sent_is_known": verdict.is_sent_known,
        "received": account.received,
        **{name: trouble.lines for name, trouble in found.items()},
        "torn": verdict.torn,
        "unknown": account.unknown.lines,
        "gaps": max(account.lost.rows.values(), default=0),
        "foreign": verdict.foreign,
        "first": {name: [asdict(one) for one in trouble.first] for name, trouble in found.items()},
        "first_torn": [asdict(one) | {"text": ascii(one.text)[2:-1]} for one in verdict.first_torn],
        "good": verdict.is_good,
    }


def to_text(verdict: Verdict) -> list[str]:
    """Give the lines that people read."""
    account = verdict.account
    said = [f"left out:  {path}: it is given twice, or packed beside itself" for path in verdict.left_out]
    files = f"{verdict.files} files" if verdict.files != 1 else "1 file"
    said.append(f"received:  {account.received:,} lines of run {verdict.run} in {files}")
    said += _found("lost", account.lost)
    said += _found("doubled", account.doubled)
    said.append(f"torn:      {verdict.torn:,}")
    said += [f"           {one.file} at byte {one.offset}: {_shown(one.text)}" for one in verdict.first_torn]
    said += _found("reordered", account.reordered)
    if account.unknown.lines:
        said += _found("unknown", account.unknown)
        said.append("           (received, but not among those that were sent)")
    said.append(f"foreign:   {verdict.foreign:,} lines of others")
    if not verdict.is_sent_known:
        said.append("note:      how many were sent is not known (--sent): lines lost at the end are not seen")
    return said


def _found(name: str, found: Found) -> list[str]:
    label = f"{name}:".ljust(10)
    return [f"{label} {found.lines:,}", *(f"           {_row(one)}" for one in found.first)]


def _row(row: Finding) -> str:
    if row.first == row.last:
        return f"connection {row.connection}: line {row.first}"
    return f"connection {row.connection}: lines {row.first} to {row.last}"


def _shown(text: bytes) -> str:
    shown = ascii(text)[2:-1]
    return shown if len(shown) <= 72 else f"{shown[:69]}..."  # noqa: PLR2004 (fits into a line)
