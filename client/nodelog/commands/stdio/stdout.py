"""What a command prints: bytes on standard output, at once; a full disk behind it is no traceback."""

from __future__ import annotations

import sys


class OutputError(Exception):
    """Why standard output takes no more, in a line for an operator."""


def is_terminal() -> bool:
    """Tell whether a person reads it, whose terminal no line should steer."""
    return sys.stdout is not None and sys.stdout.isatty()


def put(data: bytes) -> None:
    """Print it, unless standard output was closed from the start. Raises OutputError, BrokenPipeError."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror or error}") from None


def put_line(text: str) -> None:
    """Print it as a line, with the bytes that a name in it has. Raises as `put` does."""
    put(text.encode(errors="surrogateescape") + b"\n")
