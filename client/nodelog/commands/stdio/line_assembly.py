"""Whole lines out of the bytes of a stream, however they were cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_into_batches

if TYPE_CHECKING:
    from collections.abc import Iterator


class LineAssembler:
    """Turns bytes into batches of whole lines, each with its LF, of at most 64 KiB or one longer line.

    A line is whatever stands between LFs; a line of more than 1 MiB becomes several.
    """

    def __init__(self) -> None:
        self._partial = bytearray()  # the beginning of a line whose end has not arrived

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the whole lines of `data` after what was left of the last; keep the rest."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._partial += data
            while len(self._partial) > MAX_LINE_BYTES:
                yield bytes(self._partial[:MAX_LINE_BYTES]) + b"\n"
                del self._partial[:MAX_LINE_BYTES]
            return
        whole = b"".join((self._partial, memoryview(data)[:end]))
        self._partial = bytearray(data[end:])
        yield from split_into_batches(whole)

    def finish(self) -> bytes:
        """Return the last line if it has no LF, with one; empty if there is none."""
        rest, self._partial = bytes(self._partial), bytearray()
        return rest + b"\n" if rest else b""
