"""Which lines of a program's output form one record: the rules `python`, `java`, `indent`, or a pattern.

A rule sees one line after the other, without LF, and says where each belongs.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_PATTERN_BYTES: Final = 4096
"""The part of a line that a pattern sees: a long line must not make it slow."""


class Place(Enum):
    """Where a line belongs."""

    ALONE = auto()
    """It is a record, and complete."""
    FIRST = auto()
    """It begins a record that may have more lines."""
    NEXT = auto()
    """It continues the record before it."""
    MAYBE = auto()
    """It continues the record before it if the line after it does; otherwise it stands alone."""


class RecordRule(Protocol):
    """Places the lines of one stream."""

    def place(self, line: bytes) -> Place:
        """Return where this line belongs."""

    def reset(self) -> None:
        """Forget the lines so far: the record before is complete, whatever comes."""


class FirstLinePattern:
    """A line that a regular expression matches begins a record; all others continue it."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern

    def place(self, line: bytes) -> Place:
        """Return where this line belongs."""
        return Place.FIRST if self._pattern.search(line[:_PATTERN_BYTES]) else Place.NEXT

    def reset(self) -> None:
        """Do nothing: each line is judged by itself."""


class NextLinePattern:
    """A line whose beginning a regular expression matches continues a record; all others begin one."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = re.compile(pattern)

    def place(self, line: bytes) -> Place:
        """Return where this line belongs."""
        return Place.NEXT if self._pattern.match(line[:_PATTERN_BYTES]) else Place.FIRST

    def reset(self) -> None:
        """Do nothing: each line is judged by itself."""


class PythonTracebacks:
    """A traceback of Python, with those that it was raised from, is a record; any other line is one, too.

    A message that was logged with the traceback is a record of its own: it cannot be told from any line that
    happens to come before.
    """

    _HEADER: Final = re.compile(rb"(  \+ Exception Group )?Traceback \(most recent call last\):\s*$")
    _CHAIN: Final = re.compile(
        rb"(During handling of the above exception, another exception occurred"
        rb"|The above exception was the direct cause of the following exception):\s*$"
    )

    def __init__(self) -> None:
        self._place_next = self._outside

    def place(self, line: bytes) -> Place:
        """Return where this line belongs."""
        return self._place_next(line)

    def reset(self) -> None:
        """Expect no more lines of the current traceback."""
        self._place_next = self._outside

    def _outside(self, line: bytes) -> Place:
        if not (header := self._HEADER.match(line[:_PATTERN_BYTES])):
            return Place.ALONE
        self._expect_frames(header)
        return Place.FIRST

    def _expect_frames(self, header: re.Match[bytes]) -> None:
        # All lines of an exception group are indented; other tracebacks end with one that is not.
        self._place_next = self._after_error if header[1] else self._in_frames

    def _in_frames(self, line: bytes) -> Place:
        if line[:1] not in {b" ", b"\t"}:
            self._place_next = self._after_error
        return Place.NEXT

    def _after_error(self, line: bytes) -> Place:
        is_indented = line[:1] in {b" ", b"\t"} and line.strip()
        if is_indented and not self._HEADER.match(line[:_PATTERN_BYTES]):  # of a message of several lines
            return Place.NEXT
        if not line.strip():
            self._place_next = self._after_blank
            return Place.MAYBE
        self._place_next = self._outside
        return self._outside(line)

    def _after_blank(self, line: bytes) -> Place:
        if self._CHAIN.match(line[:_PATTERN_BYTES]):
            self._place_next = self._in_chain
            return Place.NEXT
        self._place_next = self._outside
        return self._outside(line)

    def _in_chain(self, line: bytes) -> Place:
        if not line.strip():
            return Place.NEXT
        if header := self._HEADER.match(line[:_PATTERN_BYTES]):
            self._expect_frames(header)
            return Place.NEXT
        self._place_next = self._outside
        return self._outside(line)


_INDENT: Final = rb"[ \t]+\S"
_JAVA: Final = rb"[ \t]+\S|Caused by: |Suppressed: |\.\.\. [0-9]+ (more|common frames omitted)"
_RULES: Final[dict[str, Callable[[], RecordRule]]] = {
    "python": PythonTracebacks,
    "java": lambda: NextLinePattern(_JAVA),
    "indent": lambda: NextLinePattern(_INDENT),
}


def parse_rule(text: str) -> Callable[[], RecordRule]:
    """Return what makes the rule of this name, or of this pattern for first lines. Raises ValueError."""
    if text in _RULES:
        return _RULES[text]
    try:
        pattern = re.compile(text.encode(errors="surrogateescape"))
    except (re.error, OverflowError, RecursionError) as error:
        names = ", ".join(_RULES)
        raise ValueError(f"{text!r} is none of {names}, nor a regular expression: {error}") from None
    return lambda: FirstLinePattern(pattern)
