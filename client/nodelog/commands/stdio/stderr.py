"""Messages for the operator, one line each, on standard error.

Much of a message may come from elsewhere: a name in an archive, what a peer said. So each is escaped here.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from nodelog.commands.stdio.terminal_escaping import escape_text


class MessagePrinter:
    """Prints messages that begin with the name of a command."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __call__(self, text: str) -> None:
        """Print `text` as one line, escaped; do nothing if standard error is closed."""
        with suppress(OSError, ValueError):  # it is closed
            if sys.stderr is not None:
                sys.stderr.write(f"nodelog {self._command}: {escape_text(text)}\n")
                sys.stderr.flush()
