"""Finds the intact lines of a run in the bytes of a file, comparing thousands of lines at once.

A part of a file is treated as a table of lines. The digits are read out of it as columns, the table is
rebuilt from them as the generator builds it, and the two are compared in one operation. Only where they
differ are lines examined one by one: either foreign lines stand among those of the run, or a line is not what
was sent.
"""

from __future__ import annotations

import re
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.load.line_format import CONNECTION_DIGITS, DIGITS, TO_LETTERS, LineFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER_BITS: Final = 48
"""A key is one integer per line: these low bits are its number, the bits above are its connection."""
_KEY_HEX_DIGITS: Final = 16
_TABLE_BYTES: Final = 256 * 1024
"""Bytes of a table: its columns are traversed many times, so it should stay in the processor's cache."""
MAX_EXAMPLES: Final = 5
"""How many examples of a fault are kept."""


@dataclass(frozen=True, slots=True)
class TornLine:
    """Bytes of this run that are not an intact line."""

    file: str
    offset: int
    """Position in the uncompressed file."""
    text: bytes
    """Its beginning."""


class LineMatcher:
    """Finds the lines of one run in parts of files, and counts all others as torn or foreign."""

    def __init__(self, run: str) -> None:
        self.torn = 0
        self.torn_examples: list[TornLine] = []
        self.foreign = 0
        self._run = run
        self._marker_start = b"<%b " % run.encode()
        self._table: _LineTable | None = None

    def match(self, data: bytes, file: str, offset: int) -> Iterator[array[int]]:
        """Yield the keys of the intact lines of this run, in order; `data` must be whole lines."""
        if self._marker_start not in data:
            self.foreign += data.count(b"\n")
            return
        table = self._table or self._detect_format(data)
        if table is None:
            self._count_others(data.split(b"\n")[:-1], data, file, offset)
            return
        at, stride = 0, table.lines * table.width
        while at < len(data):
            part = data[at : at + stride]
            keys = table.keys(part)
            if keys is None:
                end = data.rfind(b"\n", at, at + stride) + 1 or data.find(b"\n", at) + 1
                part = data[at:end]
                keys = self._match_mixed(table, part, file, offset + at)
            yield keys
            at += len(part)

    def match_unterminated(self, text: bytes, file: str, offset: int) -> None:
        """Count the end of a file without a line feed, as torn or foreign."""
        self._count_others([text], text, file, offset)

    def _detect_format(self, data: bytes) -> _LineTable | None:
        """Find the size of lines by an intact one."""
        pattern = rb"^%b([1-9][0-9]{1,6})> .*\n" % re.escape(self._marker_start)
        for match in re.finditer(pattern, data, re.MULTILINE):
            try:
                line_format = LineFormat(self._run, int(match[1]))
            except ValueError:
                continue
            if line_format.parse_line(match[0]):
                self._table = _LineTable(line_format)
                return self._table
        return None

    def _match_mixed(self, table: _LineTable, part: bytes, file: str, offset: int) -> array[int]:
        """Return the keys of intact lines in a part that also has others."""
        if self._marker_start not in part:
            self.foreign += part.count(b"\n")
            return array("Q")
        lines = part.split(b"\n")[:-1]
        head, length = table.head, table.width - 1
        candidates = [line for line in lines if len(line) == length and line.startswith(head)]
        if len(candidates) < len(lines):
            rest = [line for line in lines if len(line) != length or not line.startswith(head)]
            self._count_others(rest, part, file, offset)
        return self._bisect(table, candidates, part, file, offset)

    def _bisect(
        self, table: _LineTable, lines: list[bytes], part: bytes, file: str, offset: int
    ) -> array[int]:
        """Return the keys of the intact lines, halving the lines where some are not."""
        keys = table.keys(b"".join([line + b"\n" for line in lines]))
        if keys is not None:
            return keys
        if len(lines) == 1:
            self._count_others(lines, part, file, offset)
            return array("Q")
        half = len(lines) // 2
        keys = self._bisect(table, lines[:half], part, file, offset)
        return keys + self._bisect(table, lines[half:], part, file, offset)

    def _count_others(self, lines: list[bytes], part: bytes, file: str, offset: int) -> None:
        """Count lines that are not intact lines of this run, as torn or foreign."""
        if self._marker_start not in b"\n".join(lines):
            self.foreign += len(lines)
            return
        for line in lines:
            if self._marker_start not in line:
                self.foreign += 1
                continue
            self.torn += 1
            if len(self.torn_examples) < MAX_EXAMPLES:
                at = 0 if part.startswith(line + b"\n") else part.find(b"\n" + line + b"\n") + 1
                self.torn_examples.append(TornLine(file, offset + at, line[:200]))


class _LineTable:
    """Many lines of one format, one below the other."""

    def __init__(self, line_format: LineFormat) -> None:
        self.width = line_format.line_size
        self.head = line_format.marker + b" "
        self.lines = max(1, _TABLE_BYTES // self.width)
        self._columns = tuple(zip(line_format.digit_positions, line_format.letter_positions, strict=True))
        self._line = line_format.format_line(0, 0)
        self._line_feeds = b"\n" * self.lines
        self._expected = bytearray(self._line * self.lines)

    def keys(self, text: bytes) -> array[int] | None:
        """Return the keys of all lines in `text`; None unless all of it is intact lines."""
        width = self.width
        lines, rest = divmod(len(text), width)
        if rest or text[width - 1 :: width] != self._line_feeds[:lines]:
            return None
        expected = self._expected if lines == self.lines else bytearray(self._line * lines)
        key = bytearray(b"0" * (_KEY_HEX_DIGITS * lines))
        for place, (digit, letter) in enumerate(self._columns):
            column = text[digit::width]
            expected[digit::width] = column
            expected[letter::width] = column.translate(TO_LETTERS)
            key[_key_column(place) :: _KEY_HEX_DIGITS] = column
        if expected != text or key.translate(None, DIGITS):
            return None
        keys = array("Q", bytes.fromhex(key.decode()))
        if sys.byteorder == "little":
            keys.byteswap()
        return keys


def _key_column(place: int) -> int:
    """Return the position of a digit in a key; the digits of the number are at the right end."""
    return place if place < CONNECTION_DIGITS else place + 2
