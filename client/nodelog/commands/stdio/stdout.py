"""Bytes on standard output, flushed at once; a full disk is an OutputError, not a traceback."""

from __future__ import annotations

import sys

from nodelog.commands.stdio.terminal_escaping import text_bytes


class OutputError(Exception):
    """Standard output cannot be written; the message is one line for an operator."""


def is_terminal() -> bool:
    """Tell whether standard output is a terminal, which printed lines must not control."""
    return sys.stdout is not None and sys.stdout.isatty()


def write(data: bytes) -> None:
    """Write `data`, unless the program started with standard output closed.

    Raises OutputError, BrokenPipeError.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror or error}") from None


def write_line(text: str) -> None:
    """Write `text` and a line feed; surrogate escapes become their bytes. Raises as `write` does."""
    write(text_bytes(text) + b"\n")
