"""What a command tells its operator: one line each, on standard error."""

from __future__ import annotations

import sys
from contextlib import suppress


class Voice:
    """Speaks for the command of this name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, text: str) -> None:
        """Say it, if anybody is there to read it."""
        with suppress(OSError, ValueError):  # it is closed
            if sys.stderr is not None:
                sys.stderr.write(f"nodelog {self._name}: {text}\n")
                sys.stderr.flush()


def shown(line: bytes) -> str:
    """Make a line, or a name, harmless for a terminal."""
    text = line.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
