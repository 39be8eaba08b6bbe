"""The lines of a load: what each one carries, and how thousands are made at a time.

    <ab12cd 128> 0007 00000004d2 .............................gggqgggggggmwj <ab12cd 128>
    run and size, connection, number of the line, padding,    check,         run and size

Every column has its width, so a block of lines is a table, and a column of it is one strided slice: numbers
are written into all lines at once, and a column that stays as it is from block to block is left alone.

The check is connection and number once more, digit by digit in sixteen other letters, behind the padding. So
no line is made by cutting two others and joining the pieces, wherever the cuts are: each digit stands on
both sides of the padding, and where the two lines differ, the two sides differ too. A line that lacks bytes
or has some too many does not have the width; one whose padding or run was overwritten is not what it should
be. Not noticed is damage that changes a digit and its letter in the same sense: no accident does. The run
stands at both ends, so that of a line torn in two at least one piece tells that it is ours; the size beside
it, so that a line which lacks some padding is not taken for one of a smaller size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DIGITS: Final = b"0123456789abcdef"
LETTERS: Final = b"ghjkmnpqrstuvwxy"
TO_LETTERS: Final = bytes.maketrans(DIGITS, LETTERS)
CONNECTION_DIGITS: Final = 4
NUMBER_DIGITS: Final = 10
_COLUMNS: Final = CONNECTION_DIGITS + NUMBER_DIGITS
_LOW: Final = 4
"""The lowest digits repeat within 16**4 lines: their columns are cut from a string made once."""
_HIGHER: Final = range(CONNECTION_DIGITS, _COLUMNS - _LOW)
_LOWEST: Final = range(_COLUMNS - 1, _COLUMNS - 1 - _LOW, -1)
_PAIRS: Final = tuple(zip(DIGITS, LETTERS, strict=True))

MOST_CONNECTIONS: Final = 16**CONNECTION_DIGITS
MOST_LINES: Final = 16**_LOW
"""At most so many in a block, so that a higher digit changes once in it, or not at all."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in each line of one run; `line_size` counts its line feed."""

    run: str
    line_size: int

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        if not re.fullmatch("[A-Za-z0-9_-]{1,16}", self.run):
            raise ValueError(f"{self.run!r} is not a run: 1 to 16 letters, digits, _ or -")
        if self.line_size < (least := least_line_size(self.run, self.line_size)):
            raise ValueError(f"lines of {self.line_size} bytes, at least {least} needed for run {self.run}")

    @property
    def mark(self) -> bytes:
        """What every line of this run begins and ends with."""
        return mark(self.run, self.line_size)

    @property
    def digits(self) -> tuple[int, ...]:
        """Where the digits of connection and number are, the highest first."""
        connection = len(self.mark) + 1
        number = connection + CONNECTION_DIGITS + 1
        return (
            *range(connection, connection + CONNECTION_DIGITS),
            *range(number, number + NUMBER_DIGITS),
        )

    @property
    def letters(self) -> tuple[int, ...]:
        """Where their letters are, in the same order."""
        first = self.line_size - len(self.mark) - 2 - _COLUMNS
        return tuple(range(first, first + _COLUMNS))

    def line(self, connection: int, number: int) -> bytes:
        """Make one line."""
        digits = b"%04x %010x" % (connection, number)
        check = digits.replace(b" ", b"").translate(TO_LETTERS)
        padding = b"." * (self.line_size - least_line_size(self.run, self.line_size))
        return b"%b %b %b%b %b\n" % (self.mark, digits, padding, check, self.mark)

    def parse(self, line: bytes) -> tuple[int, int] | None:
        """Give connection and number of a line that is whole, with or without its line feed."""
        digits = bytes(line[at] for at in self.digits if at < len(line))
        if len(digits) < _COLUMNS or digits.translate(None, DIGITS):
            return None
        connection, number = int(digits[:CONNECTION_DIGITS], 16), int(digits[CONNECTION_DIGITS:], 16)
        whole = line.rstrip(b"\n") == self.line(connection, number)[:-1]
        return (connection, number) if whole else None


def mark(run: str, line_size: int) -> bytes:
    """Give what every line of a run begins and ends with."""
    return b"<%b %d>" % (run.encode(), line_size)


def least_line_size(run: str, line_size: int = 0) -> int:
    """Give the bytes of a line without padding: 55 for a run of six letters and a size of two digits."""
    size = max(line_size, 10)
    return 2 * (len(mark(run, size)) + 1) + CONNECTION_DIGITS + 1 + NUMBER_DIGITS + 1 + _COLUMNS + 1


class Block:
    """Consecutive lines of one connection, in memory that is written over for the next ones.

    Each has the bytes `before` in front of it.
    """

    def __init__(self, layout: Layout, lines: int, *, before: bytes = b"") -> None:
        if not 1 <= lines <= MOST_LINES:
            raise ValueError(f"a block of {lines} lines, 1 to {MOST_LINES} allowed")
        self._width = len(before) + layout.line_size
        self._lines = lines
        self._bytes = bytearray((before + layout.line(0, 0)) * lines)
        self._view = memoryview(self._bytes)
        places = zip(layout.digits, layout.letters, strict=True)
        self._places = tuple((len(before) + digit, len(before) + letter) for digit, letter in places)
        self._same = [(bytes([digit]) * lines, bytes([letter]) * lines) for digit, letter in _PAIRS]
        self._cycles = [_cycle(power, lines) for power in range(_LOW)]
        # What is written now: connection, higher digits, and at each place a digit or where its cycle starts.
        self._connection, self._high = 0, -1
        self._shown = [0] * CONNECTION_DIGITS + [-1] * NUMBER_DIGITS

    def fill(self, connection: int, first: int) -> memoryview:
        """Give the lines from number `first` on; good until the next call."""
        if self._connection != connection:
            self._connection = connection
            self._fill_constant(range(CONNECTION_DIGITS), connection)
        self._fill_low(first)
        high, low = divmod(first, MOST_LINES)
        if low + self._lines > MOST_LINES:
            self._fill_carry(high, MOST_LINES - low)
        elif self._high != high:
            self._high = high
            self._fill_constant(_HIGHER, high)
        return self._view

    def _fill_constant(self, places: range, value: int) -> None:
        """Write the same digits into all lines."""
        for place in reversed(places):
            digit, value = value & 15, value >> 4
            if self._shown[place] != digit:
                self._shown[place] = digit
                self._write(place, *self._same[digit])

    def _fill_low(self, first: int) -> None:
        """Write the digits that change from line to line, but not necessarily from block to block."""
        for place, (period, digits, letters) in zip(_LOWEST, self._cycles, strict=True):
            start = first % period
            if self._shown[place] != start:
                self._shown[place] = start
                end = start + self._lines
                self._write(place, digits[start:end], letters[start:end])

    def _fill_carry(self, high: int, until: int) -> None:
        """Write the higher digits where they change after so many lines."""
        before, after, self._high = high, high + 1, -1
        for place in reversed(_HIGHER):
            (digits, letters), (digits2, letters2) = self._same[before & 15], self._same[after & 15]
            before, after = before >> 4, after >> 4
            self._shown[place] = -1
            self._write(place, digits[:until] + digits2[until:], letters[:until] + letters2[until:])

    def _write(self, place: int, digits: bytes, letters: bytes) -> None:
        at, opposite = self._places[place]
        self._bytes[at :: self._width] = digits
        self._bytes[opposite :: self._width] = letters


def _cycle(power: int, lines: int) -> tuple[int, bytes, bytes]:
    """Give a period and what stands at a place in the lines from 0 on, long enough for any start in it."""
    period = b"".join(bytes([digit]) * 16**power for digit in DIGITS)
    digits = period * (1 + -(-lines // len(period)))
    return len(period), digits, digits.translate(TO_LETTERS)
