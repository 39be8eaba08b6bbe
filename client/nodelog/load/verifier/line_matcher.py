"""Which bytes of a file are whole lines of a run: thousands compared at a time with what they should be.

A piece of a file is taken as a table of lines. The digits are read out of it as columns, the table is made
once more from them as the generator makes it, and the two are compared in one go. Only where they differ
are lines looked at singly: there are foreign lines among ours, or one of ours is not what was sent.
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
"""A key is one integer for a line: its connection above so many bits, its number below."""
_KEY_DIGITS: Final = 16
_AT_ONCE: Final = 256 * 1024
"""Bytes of a table: its columns are gone through many times, so it should stay in the processor's cache."""
FEW: Final = 5


@dataclass(frozen=True, slots=True)
class Torn:
    """Something of this run that is not a whole line."""

    file: str
    offset: int
    """Bytes from the start of the file, as it is without compression."""
    text: bytes
    """Its beginning."""


class Checker:
    """Finds the lines of one run in the pieces of files."""

    def __init__(self, run: str) -> None:
        self.torn = 0
        self.first_torn: list[Torn] = []
        self.foreign = 0
        self._run = run
        self._ours = b"<%b " % run.encode()
        self._table: _Table | None = None

    def keys(self, piece: bytes, file: str, offset: int) -> Iterator[array[int]]:
        """Give the keys of the whole lines of this run, in order; `piece` is whole lines."""
        if self._ours not in piece:
            self.foreign += piece.count(b"\n")
            return
        table = self._table or self._learn(piece)
        if table is None:
            self._look_at(piece.split(b"\n")[:-1], piece, file, offset)
            return
        at, stride = 0, table.lines * table.width
        while at < len(piece):
            part = piece[at : at + stride]
            keys = table.keys(part)
            if keys is None:
                end = piece.rfind(b"\n", at, at + stride) + 1 or piece.find(b"\n", at) + 1
                part = piece[at:end]
                keys = self._sort_out(table, part, file, offset + at)
            yield keys
            at += len(part)

    def unfinished(self, text: bytes, file: str, offset: int) -> None:
        """Count the end of a file without a line feed."""
        self._look_at([text], text, file, offset)

    def _learn(self, piece: bytes) -> _Table | None:
        """Find out from a whole line how long they are."""
        for found in re.finditer(rb"^%b([1-9][0-9]{1,6})> .*\n" % re.escape(self._ours), piece, re.MULTILINE):
            try:
                layout = LineFormat(self._run, int(found[1]))
            except ValueError:
                continue
            if layout.parse_line(found[0]):
                self._table = _Table(layout)
                return self._table
        return None

    def _sort_out(self, table: _Table, part: bytes, file: str, offset: int) -> array[int]:
        """Part our lines from others, and whole ones from torn ones."""
        if self._ours not in part:
            self.foreign += part.count(b"\n")
            return array("Q")
        lines = part.split(b"\n")[:-1]
        head, length = table.head, table.width - 1
        ours = [line for line in lines if len(line) == length and line.startswith(head)]
        if len(ours) < len(lines):
            rest = [line for line in lines if len(line) != length or not line.startswith(head)]
            self._look_at(rest, part, file, offset)
        return self._search(table, ours, part, file, offset)

    def _search(self, table: _Table, lines: list[bytes], part: bytes, file: str, offset: int) -> array[int]:
        """Give the keys of those that are whole, by halving what is not."""
        keys = table.keys(b"".join([line + b"\n" for line in lines]))
        if keys is not None:
            return keys
        if len(lines) == 1:
            self._look_at(lines, part, file, offset)
            return array("Q")
        half = len(lines) // 2
        keys = self._search(table, lines[:half], part, file, offset)
        return keys + self._search(table, lines[half:], part, file, offset)

    def _look_at(self, lines: list[bytes], part: bytes, file: str, offset: int) -> None:
        """Count lines that are not whole lines of this run."""
        if self._ours not in b"\n".join(lines):
            self.foreign += len(lines)
            return
        for line in lines:
            if self._ours not in line:
                self.foreign += 1
                continue
            self.torn += 1
            if len(self.first_torn) < FEW:
                at = 0 if part.startswith(line + b"\n") else part.find(b"\n" + line + b"\n") + 1
                self.first_torn.append(Torn(file, offset + at, line[:200]))


class _Table:
    """What the lines of a layout look like, many of them one below the other."""

    def __init__(self, layout: LineFormat) -> None:
        self.width = layout.line_size
        self.head = layout.marker + b" "
        self.lines = max(1, _AT_ONCE // self.width)
        self._places = tuple(zip(layout.digit_positions, layout.letter_positions, strict=True))
        self._line = layout.format_line(0, 0)
        self._feeds = b"\n" * self.lines
        self._expected = bytearray(self._line * self.lines)

    def keys(self, text: bytes) -> array[int] | None:
        """Give the keys of all its lines; None if it is anything else than whole lines."""
        width = self.width
        lines, rest = divmod(len(text), width)
        if rest or text[width - 1 :: width] != self._feeds[:lines]:
            return None
        expected = self._expected if lines == self.lines else bytearray(self._line * lines)
        key = bytearray(b"0" * (_KEY_DIGITS * lines))
        for place, (digit, letter) in enumerate(self._places):
            column = text[digit::width]
            expected[digit::width] = column
            expected[letter::width] = column.translate(TO_LETTERS)
            key[_slot(place) :: _KEY_DIGITS] = column
        if expected != text or key.translate(None, DIGITS):
            return None
        keys = array("Q", bytes.fromhex(key.decode()))
        if sys.byteorder == "little":
            keys.byteswap()
        return keys


def _slot(place: int) -> int:
    """Say where the digit of a column goes in a key: the number to its right end."""
    return place if place < CONNECTION_DIGITS else place + 2
