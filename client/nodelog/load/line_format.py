"""The format of a load's lines, shared by the generator and the verifier.

    <ab12cd 128> 0007 00000004d2 .............................gggqgggggggmwj <ab12cd 128>
    run and size, connection, line number, padding,           check,         run and size

Every field has a fixed width, so all lines of a run have the same layout.

The check repeats connection and number digit by digit in sixteen other letters, after the padding. Therefore
no valid line results from cutting two others and joining the pieces, wherever the cuts are: each digit
appears on both sides of the padding, and where the two lines differ, the two sides differ too. A line with
missing or extra bytes has the wrong width. A line whose padding or run was overwritten is not the line that
its digits describe. The only damage that goes unnoticed changes a digit and its letter in the same way, which
no accident does. The run stands at both ends, so that at least one piece of a line torn in two shows that it
belongs to the run; the size stands beside it, so that a line that lacks padding is not taken for one of a
smaller size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DIGITS: Final = b"0123456789abcdef"
LETTERS: Final = b"ghjkmnpqrstuvwxy"
"""The letter of each digit in the check."""
TO_LETTERS: Final = bytes.maketrans(DIGITS, LETTERS)
CONNECTION_DIGITS: Final = 4
NUMBER_DIGITS: Final = 10
KEY_DIGITS: Final = CONNECTION_DIGITS + NUMBER_DIGITS
"""Digits of connection and number, which together identify a line."""
MAX_CONNECTIONS: Final = 16**CONNECTION_DIGITS


@dataclass(frozen=True, slots=True)
class LineFormat:
    """The format of the lines of one run; `line_size` includes the line feed."""

    run: str
    line_size: int

    def __post_init__(self) -> None:
        """Raise ValueError if the run is malformed or does not fit into a line."""
        if not re.fullmatch("[A-Za-z0-9_-]{1,16}", self.run):
            raise ValueError(f"{self.run!r} is not a run: 1 to 16 letters, digits, _ or -")
        if self.line_size < (least := min_line_size(self.run, self.line_size)):
            raise ValueError(f"lines of {self.line_size} bytes, at least {least} needed for run {self.run}")

    @property
    def marker(self) -> bytes:
        """The bytes that every line of this run begins and ends with."""
        return _marker(self.run, self.line_size)

    @property
    def digit_positions(self) -> tuple[int, ...]:
        """The positions of the digits of connection and number in a line, highest digit first."""
        connection = len(self.marker) + 1
        number = connection + CONNECTION_DIGITS + 1
        return (
            *range(connection, connection + CONNECTION_DIGITS),
            *range(number, number + NUMBER_DIGITS),
        )

    @property
    def letter_positions(self) -> tuple[int, ...]:
        """The positions of the check's letters, in the same order as `digit_positions`."""
        first = self.line_size - len(self.marker) - 2 - KEY_DIGITS
        return tuple(range(first, first + KEY_DIGITS))

    def format_line(self, connection: int, number: int) -> bytes:
        """Return one line."""
        digits = b"%04x %010x" % (connection, number)
        check = digits.replace(b" ", b"").translate(TO_LETTERS)
        padding = b"." * (self.line_size - min_line_size(self.run, self.line_size))
        return b"%b %b %b%b %b\n" % (self.marker, digits, padding, check, self.marker)

    def parse_line(self, line: bytes) -> tuple[int, int] | None:
        """Return connection and number of an intact line, with or without its line feed, else None."""
        digits = bytes(line[at] for at in self.digit_positions if at < len(line))
        if len(digits) < KEY_DIGITS or digits.translate(None, DIGITS):
            return None
        connection, number = int(digits[:CONNECTION_DIGITS], 16), int(digits[CONNECTION_DIGITS:], 16)
        intact = line.rstrip(b"\n") == self.format_line(connection, number)[:-1]
        return (connection, number) if intact else None


def min_line_size(run: str, line_size: int = 0) -> int:
    """Return the bytes of a line without padding: 55 for a run of six letters and a size of two digits."""
    size = max(line_size, 10)
    return 2 * (len(_marker(run, size)) + 1) + CONNECTION_DIGITS + 1 + NUMBER_DIGITS + 1 + KEY_DIGITS + 1


def _marker(run: str, line_size: int) -> bytes:
    return b"<%b %d>" % (run.encode(), line_size)
