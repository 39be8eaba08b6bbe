"""Texts of a program as lines, one record each, and lines as blocks and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LINE_BYTES: Final = 1024 * 1024
"""Bytes of the longest line; the default limit of collectors."""


def to_line(text: str | bytes) -> bytes:
    r"""Return `text` as one line, without its LF.

    An LF at its end is removed; one inside becomes the two characters `\n`, so that a traceback stays one
    record. What UTF-8 cannot encode becomes an escape such as `\udc80`. Everything else stays unchanged.
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


def split_long_line(line: bytes) -> Sequence[bytes]:
    """Cut a line that is too long, as the collector would."""
    return [line[at : at + MAX_LINE_BYTES] for at in range(0, len(line), MAX_LINE_BYTES)]


def split_into_batches(data: bytes) -> Iterator[bytes]:
    """Split whole lines, each with its LF, into batches of whole lines that fit into a block.

    A line that is too long is cut as the collector would; one that does not fit into a block is a batch.
    """
    start = 0
    while len(data) - start > BLOCK_BYTES:
        end = data.rfind(b"\n", start, start + BLOCK_BYTES) + 1
        if end:
            yield data[start:end]
        else:
            end = data.index(b"\n", start) + 1
            yield from (part + b"\n" for part in split_long_line(data[start : end - 1]))
        start = end
    if start < len(data):
        yield data[start:]


def split_into_messages(data: bytes, max_bytes: int) -> list[bytes]:
    """Return the lines of a block without their LF; a line of more than `max_bytes` becomes several parts."""
    lines = data[:-1].split(b"\n")
    if len(data) <= max_bytes:
        return lines
    return [line[at : at + max_bytes] for line in lines for at in range(0, len(line) or 1, max_bytes)]
