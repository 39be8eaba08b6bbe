r"""Frames: `<txnr> <command> <length>[ <data>]\n`, decoded from bytes cut anywhere, and encoded.

The grammar is librelp's (doc/relp.md there), and just as strict: a frame without data has no space before
its LF, a number has at most nine digits. Garbage is refused at its first wrong byte, and an excessive size
before anything of that size is buffered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.wire.errors import WireError, collect

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

LARGEST_NUMBER: Final = 999_999_999
"""The largest transaction number, after which 1 follows, and the largest number of bytes in a frame."""
HEADER_LIMIT: Final = 64
"""Bytes that are searched for a header; by its grammar it has at most 53."""
TRAILER: Final = b"\n"
SERVER_CLOSE: Final = b"0 serverclose 0\n"
"""The hint that the server is about to close: a frame that is not answered."""

_LF: Final = ord("\n")
_NUMBER: Final = b"[0-9]{1,9}"
_COMMAND: Final = b"[A-Za-z]{1,32}"
_DELIMITER: Final = b"[ \n]"  # before data, or at the end of a frame without data
_HEADER: Final = re.compile(b"(%b) (%b) (%b)(%b)" % (_NUMBER, _COMMAND, _NUMBER, _DELIMITER))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. If it was complete in the bytes fed, `data` is a view of them, valid as long as they are."""

    txnr: int
    command: bytes
    data: memoryview


@dataclass(frozen=True, slots=True)
class Oversized:
    """A frame of `length` bytes of data, more than allowed, was read to its end and discarded."""

    txnr: int
    command: bytes
    length: int


def encode_header(txnr: int, command: bytes, length: int) -> bytes:
    """Return the part of a frame before its data; TRAILER is the part after it."""
    return b"%d %b %d " % (txnr, command, length) if length else b"%d %b 0" % (txnr, command)


def encode(txnr: int, command: bytes, data: bytes | memoryview = b"") -> bytes:
    """Return one frame."""
    return b"".join((encode_header(txnr, command, len(data)), data, TRAILER))


def prefix_pattern(*parts: bytes) -> re.Pattern[bytes]:
    """Compile a pattern that matches any beginning of these parts in a row, as much of them as is there."""
    nested = b""
    for part in reversed(parts):
        nested = b"(?:" + part + nested + b")?"
    return re.compile(nested)


_HEADER_PREFIX: Final = prefix_pattern(_NUMBER, b" ", _COMMAND, b" ", _NUMBER, _DELIMITER)


class Decoder:
    """Splits bytes into frames. However the same bytes are cut, frames and fault are the same.

    A frame with more than `max_data` bytes of data is a fault, unless its command is `skippable`: then it is
    skipped and reported as Oversized. `max_data` may be raised from one frame to the next. After a fault the
    decoder cannot be used any more.
    """

    def __init__(self, *, max_data: int, skippable: bytes = b"") -> None:
        self.max_data = max_data
        self._skippable = skippable
        self._partial = bytearray()  # the unfinished frame; only the header if it is oversized
        self._missing = 0  # bytes of it that are still to come; 0 while its header is unfinished
        self._oversized: Oversized | None = None

    @property
    def pending(self) -> int:
        """The number of bytes buffered of an unfinished frame, at most max_data plus HEADER_LIMIT."""
        return len(self._partial)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame | Oversized]:
        """Return the frames that these bytes complete. Raises WireError."""
        return collect(self.decode(data))

    def decode(self, data: bytes | bytearray | memoryview) -> Iterator[Frame | Oversized]:
        """Yield what `feed` returns; must be read to its end, or bytes are lost."""
        view = memoryview(data)
        size = len(view)
        at = (yield from self._continue_frame(view)) if self._partial else 0
        while at < size:
            found = _HEADER.match(view, at)
            if found is None:
                self._partial += _checked_prefix(view[at : at + HEADER_LIMIT])
                return
            txnr, command, digits, mark = found.groups()
            length = int(digits)
            if length > self.max_data or (mark == b" ") is not (length > 0):
                self._check_header(found, length)
            start = found.end()
            end = start + length if length else start - 1
            if end >= size or length > self.max_data:
                self._start_frame(found, length)
                at = start + (yield from self._continue_frame(view[start:]))
                continue
            if view[end] != _LF:
                raise _bad_trailer(found, view[end])
            yield Frame(int(txnr), command, view[start:end])
            at = end + 1

    def _continue_frame(self, view: memoryview) -> Generator[Frame | Oversized, None, int]:
        """Continue the unfinished frame, yield it if complete; return where the next one begins."""
        at = 0
        if not self._missing:
            head = bytes(self._partial) + view[:HEADER_LIMIT]
            found = _HEADER.match(head)
            if found is None:
                self._partial[:] = _checked_prefix(head)
                return len(view)
            at = found.end() - len(self._partial)
            self._check_header(found, int(found[3]))
            self._start_frame(found, int(found[3]))
        part = view[at : at + self._missing]
        self._missing -= len(part)
        if self._oversized is None:
            self._partial += part
        if not self._missing:
            yield from self._finish_frame(part)
        return at + len(part)

    def _check_header(self, found: re.Match[bytes], length: int) -> None:
        """Raise WireError for a header that announces a frame that is not allowed."""
        if (found[4] == b" ") is not (length > 0):
            raise WireError(f"frame header {found[0]!r}: a space must precede data, and only data")
        if length > self.max_data and found[2] != self._skippable:
            raise WireError(f"{_name(found)} frame of {length} bytes, at most {self.max_data} allowed")

    def _start_frame(self, found: re.Match[bytes], length: int) -> None:
        """Remember a header and how many bytes must follow it."""
        self._partial = bytearray(found[0])
        self._missing = length + len(TRAILER) if length else 0
        if length > self.max_data:
            self._oversized = Oversized(int(found[1]), found[2], length)

    def _finish_frame(self, part: memoryview) -> Iterator[Frame | Oversized]:
        """Yield the frame that this last part of it completes."""
        begun, oversized = self._partial, self._oversized
        self._partial, self._oversized = bytearray(), None
        if oversized is None:
            yield from self.decode(begun)
        elif part[-1] != _LF:
            raise WireError(f"oversized frame ends with byte {part[-1]:#04x}, not with LF")
        else:
            yield oversized


def _checked_prefix(head: bytes | memoryview) -> bytes:
    """Return these bytes if a header can begin with them. Raises WireError."""
    text = bytes(head)
    found = _HEADER_PREFIX.match(text)
    good = found.end() if found else 0
    if good < len(text):
        raise WireError(f"not a frame header: {text[: good + 1]!r}")
    return text


def _bad_trailer(found: re.Match[bytes], byte: int) -> WireError:
    """Return the error for a frame whose length does not lead to its LF."""
    return WireError(f"{_name(found)} frame of {int(found[3])} bytes ends with byte {byte:#04x}, not with LF")


def _name(found: re.Match[bytes]) -> str:
    return found[2].decode()
