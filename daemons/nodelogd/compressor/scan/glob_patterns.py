"""Which files are meant: patterns as a shell has them, matched step by step while a directory is walked.

A pattern is relative to the directory. `*`, `?` and `[...]` stay within a name, `**` stands for any number
of folders, none included. As in a shell, what is hidden is only found by a pattern that has the dot, too.
A walk carries what of the patterns is left to match, so it never enters a folder in which nothing can match,
and asks one regular expression about each name in a folder.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Segments: TypeAlias = tuple[str, ...]

DEEP: Final = "**"


def parse(text: str) -> Segments:
    """Take a pattern apart. Raises a ValueError that says what is wrong with it."""
    if text.startswith("/"):
        raise ValueError("not relative to --dir")
    segments = tuple(text.split("/"))
    if not {"", ".", ".."}.isdisjoint(segments):
        raise ValueError("not a pattern: a part of it is empty, . or ..")
    return (*segments, "*") if segments[-1] == DEEP else segments


class Left:
    """What of some patterns is left to match in one folder."""

    def __init__(self, patterns: Iterable[Segments], *, hidden: bool = False) -> None:
        """Begin, or go on; `hidden` says that wildcards stand for a leading dot, too."""
        self._hidden = hidden
        self._left = sorted(set(_without_folders(patterns)))
        last = [_expression(left[0], hidden=hidden) for left in self._left if len(left) == 1]
        self._names = re.compile("|".join(last)) if last else None

    def __bool__(self) -> bool:
        """Say whether anything in this folder or below can match."""
        return bool(self._left)

    def matches(self, name: str) -> bool:
        """Say whether a name in this folder does."""
        return self._names is not None and self._names.match(name) is not None

    def within(self, name: str) -> Left:
        """Give what is left in a folder of this folder."""
        return Left(self._steps(name), hidden=self._hidden)

    def _steps(self, name: str) -> Iterator[Segments]:
        for left in self._left:
            if left[0] == DEEP:
                if self._hidden or not name.startswith("."):
                    yield left
            elif len(left) > 1 and re.match(_expression(left[0], hidden=self._hidden), name):
                yield left[1:]


def _without_folders(patterns: Iterable[Segments]) -> Iterator[Segments]:
    """Add what is left where a `**` stands for no folder at all."""
    for left in patterns:
        yield left
        while left[0] == DEEP:
            left = left[1:]  # noqa: PLW2901 (the same pattern, shorter)
            yield left


def _expression(segment: str, *, hidden: bool) -> str:
    return translate(segment) if hidden or segment.startswith(".") else rf"(?!\.){translate(segment)}"
