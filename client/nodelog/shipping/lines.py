"""What a program says, as lines: whatever it is, it stays one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 1024 * 1024
"""Bytes of a line; what collectors take unless told otherwise."""


def line_of(text: str | bytes) -> bytes:
    r"""Return `text` as one line, without its LF.

    An LF at its end ends it; one within becomes the two characters `\n`, so that a traceback stays one
    record. What UTF-8 cannot express becomes an escape such as `\udc80`. Everything else is left as it is.
    """
    if isinstance(text, bytes):
        data = text
    else:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = text.encode(errors="backslashreplace")
    if b"\n" in data:
        return data.removesuffix(b"\n").replace(b"\n", b"\\n")
    return data


def cut(line: bytes) -> Sequence[bytes]:
    """Cut a line that is too long, as the collector would."""
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)]


def messages(data: bytes, most: int) -> list[bytes]:
    """Give the lines of a block, without their LF; those of more than `most` bytes in parts."""
    lines = data[:-1].split(b"\n")
    if len(data) <= most:
        return lines
    return [line[at : at + most] for line in lines for at in range(0, len(line) or 1, most)]
