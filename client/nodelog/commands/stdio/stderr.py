"""Messages for the operator, one line each, on standard error."""

from __future__ import annotations

import sys
from contextlib import suppress


class MessagePrinter:
    """Prints messages that begin with the name of a command."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __call__(self, text: str) -> None:
        """Print `text` as one line; do nothing if standard error is closed."""
        with suppress(OSError, ValueError):  # it is closed
            if sys.stderr is not None:
                sys.stderr.write(f"nodelog {self._command}: {text}\n")
                sys.stderr.flush()
