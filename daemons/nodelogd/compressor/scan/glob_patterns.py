"""Match files against shell patterns, folder by folder, while a directory is walked.

Patterns are relative to the directory. Within a name, `*`, `?`, `[...]` and a backslash mean what they mean
in a shell (see `shell_patterns`); `**` matches any number of folders, including none. As in a shell, hidden
files match only patterns that contain the dot. The walk carries the patterns that can still match, so it
never enters a folder in which nothing can match, and it tests each name in a folder against a single regular
expression.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from nodelogd.compressor.scan.shell_patterns import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Segments: TypeAlias = tuple[str, ...]

ANY_FOLDERS: Final = "**"
NOTHING: Final = r"(?!)"
"""An expression that matches nothing."""


def parse_pattern(text: str) -> Segments:
    """Split a pattern into segments. Raises a ValueError that says what is wrong with it."""
    if text.startswith("/"):
        raise ValueError("not relative to --dir")
    segments = tuple(text.split("/"))
    if not {"", ".", ".."}.isdisjoint(segments):
        raise ValueError("not a pattern: a part of it is empty, . or ..")
    for segment in segments:
        translate(segment)
    return (*segments, "*") if segments[-1] == ANY_FOLDERS else segments


class FolderPatterns:
    """The patterns that can still match in one folder or below it."""

    def __init__(self, patterns: Iterable[Segments], *, hidden: bool = False) -> None:
        """Match these patterns; with `hidden`, wildcards also match a leading dot."""
        self._hidden = hidden
        self._patterns = sorted(set(_with_skipped_folders(patterns)))
        last = [_expression(pattern[0], hidden=hidden) for pattern in self._patterns if len(pattern) == 1]
        self.matches: Callable[[str], object] = re.compile("|".join(last) if last else NOTHING).match
        """Returns something true if a name in this folder matches."""

    def __bool__(self) -> bool:
        """Return whether anything in this folder or below can match."""
        return bool(self._patterns)

    def descend(self, name: str) -> FolderPatterns:
        """Return the patterns for a folder in this folder."""
        return FolderPatterns(self._remaining(name), hidden=self._hidden)

    def _remaining(self, name: str) -> Iterator[Segments]:
        for pattern in self._patterns:
            if pattern[0] == ANY_FOLDERS:
                if self._hidden or not name.startswith("."):
                    yield pattern
            elif len(pattern) > 1 and re.match(_expression(pattern[0], hidden=self._hidden), name):
                yield pattern[1:]


def _with_skipped_folders(patterns: Iterable[Segments]) -> Iterator[Segments]:
    """Add the pattern without its leading `**`, which may match no folder at all."""
    for pattern in patterns:
        yield pattern
        while pattern[0] == ANY_FOLDERS:
            pattern = pattern[1:]  # noqa: PLW2901 (the same pattern, shorter)
            yield pattern


def _expression(segment: str, *, hidden: bool) -> str:
    return (
        translate(segment) if hidden or segment.startswith((".", "\\.")) else rf"(?!\.){translate(segment)}"
    )
