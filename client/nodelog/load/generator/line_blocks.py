"""Blocks of consecutive lines, thousands of them made at once.

Every field of a line has a fixed width, so a block of lines is a table and one column of it is a strided
slice: a digit is written into all lines at once, and a column that stays the same from one block to the next
is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelog.load.line_format import CONNECTION_DIGITS, DIGITS, KEY_DIGITS, LETTERS, NUMBER_DIGITS, TO_LETTERS

if TYPE_CHECKING:
    from nodelog.load.line_format import LineFormat

_LOW: Final = 4
"""The lowest digits repeat every 16**4 lines: their columns are slices of strings made once."""
_HIGH_COLUMNS: Final = range(CONNECTION_DIGITS, KEY_DIGITS - _LOW)
_LOW_COLUMNS: Final = range(KEY_DIGITS - 1, KEY_DIGITS - 1 - _LOW, -1)
_PAIRS: Final = tuple(zip(DIGITS, LETTERS, strict=True))

MAX_BLOCK_LINES: Final = 16**_LOW
"""Lines per block, at most, so that a higher digit changes once in a block or not at all."""


class LineBlock:
    """Consecutive lines of one connection, each after `prefix`, in a buffer that every `fill` reuses."""

    def __init__(self, line_format: LineFormat, lines: int, *, prefix: bytes = b"") -> None:
        if not 1 <= lines <= MAX_BLOCK_LINES:
            raise ValueError(f"a block of {lines} lines, 1 to {MAX_BLOCK_LINES} allowed")
        self._width = len(prefix) + line_format.line_size
        self._lines = lines
        self._bytes = bytearray((prefix + line_format.format_line(0, 0)) * lines)
        self._view = memoryview(self._bytes)
        positions = zip(line_format.digit_positions, line_format.letter_positions, strict=True)
        self._positions = tuple((len(prefix) + digit, len(prefix) + letter) for digit, letter in positions)
        self._constants = [(bytes([digit]) * lines, bytes([letter]) * lines) for digit, letter in _PAIRS]
        self._cycles = [_cycle(power, lines) for power in range(_LOW)]
        # What the buffer holds: the connection, the higher digits, and per column a digit or where its cycle
        # starts.
        self._connection, self._high = 0, -1
        self._written = [0] * CONNECTION_DIGITS + [-1] * NUMBER_DIGITS

    def fill(self, connection: int, first: int) -> memoryview:
        """Return the lines that start at number `first`; valid until the next call."""
        if self._connection != connection:
            self._connection = connection
            self._fill_constant(range(CONNECTION_DIGITS), connection)
        self._fill_low(first)
        high, low = divmod(first, MAX_BLOCK_LINES)
        if low + self._lines > MAX_BLOCK_LINES:
            self._fill_carry(high, MAX_BLOCK_LINES - low)
        elif self._high != high:
            self._high = high
            self._fill_constant(_HIGH_COLUMNS, high)
        return self._view

    def _fill_constant(self, columns: range, value: int) -> None:
        """Write the same digits into all lines."""
        for column in reversed(columns):
            digit, value = value & 15, value >> 4
            if self._written[column] != digit:
                self._written[column] = digit
                self._write(column, *self._constants[digit])

    def _fill_low(self, first: int) -> None:
        """Write the digits that change from line to line, but not necessarily from block to block."""
        for column, (period, digits, letters) in zip(_LOW_COLUMNS, self._cycles, strict=True):
            start = first % period
            if self._written[column] != start:
                self._written[column] = start
                end = start + self._lines
                self._write(column, digits[start:end], letters[start:end])

    def _fill_carry(self, high: int, until: int) -> None:
        """Write the higher digits where they change after `until` lines."""
        before, after, self._high = high, high + 1, -1
        for column in reversed(_HIGH_COLUMNS):
            (digits, letters), (digits2, letters2) = self._constants[before & 15], self._constants[after & 15]
            before, after = before >> 4, after >> 4
            self._written[column] = -1
            self._write(column, digits[:until] + digits2[until:], letters[:until] + letters2[until:])

    def _write(self, column: int, digits: bytes, letters: bytes) -> None:
        digit, letter = self._positions[column]
        self._bytes[digit :: self._width] = digits
        self._bytes[letter :: self._width] = letters


def _cycle(power: int, lines: int) -> tuple[int, bytes, bytes]:
    """Return a digit's period, and its column and letters in the lines from 0, long enough for any start."""
    period = b"".join(bytes([digit]) * 16**power for digit in DIGITS)
    digits = period * (1 + -(-lines // len(period)))
    return len(period), digits, digits.translate(TO_LETTERS)
