"""Pieces of deflate data that can be joined as they stand: no I/O.

Each is made from nothing before it and ends in a full flush, on a byte, without a last block. So any row of
them, between a gzip header and an empty last block, is one gzip member, and its CRC-32 is folded from theirs.
A piece stays the same bytes wherever it is put.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nodelog.archive.index import Trailer, encode_piece, trailer_bytes
from nodelogd.service import deflate
from nodelogd.service.deflate import fast, small

if TYPE_CHECKING:
    from collections.abc import Iterable

GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
"""Bare: no name, no time, made on Unix. An extra field would break readers."""
LAST_BLOCK: Final = b"\x03\x00"
"""Empty; the first thing in the member that is not a piece."""

_RAW: Final = -15
_STORED: Final = b"\x00\x00\x00\xff\xff"
_FIXED: Final = b"\x02\x00\x00\x00\xff\xff"
"""Empty blocks of five and of six bytes, each ending on a byte."""
_BLOCKS: Final = 4096


class Span(NamedTuple):
    """A row of pieces."""

    length: int
    """Bytes in the archive."""
    size: int
    """Bytes of the tar stream."""
    crc: int
    """Of those."""
    lines: bytes
    """Of the index, one per piece."""


NOTHING: Final = Span(0, 0, 0, b"")


def joined(spans: Iterable[Span]) -> Span:
    """Make one row of several."""
    length = size = crc = 0
    lines = []
    for span in spans:
        length += span.length
        size += span.size
        crc = deflate.crc32_combine(crc, span.crc, span.size)
        lines.append(span.lines)
    return Span(length, size, crc, b"".join(lines))


def piece(length: int, size: int, crc: int) -> Span:
    """Make a row of one piece."""
    return Span(length, size, crc, encode_piece(length, size, crc))


def packed(data: bytes | memoryview, level: int) -> bytes:
    """Compress a piece that is to stay as it is."""
    deflating = small.compressobj(level, small.DEFLATED, _RAW)
    return deflating.compress(data) + deflating.flush(small.Z_FULL_FLUSH)


def packed_fast(data: bytes | memoryview) -> bytes:
    """Compress what the next cycle makes anew: by isal five times as fast, and a quarter larger."""
    deflating = fast.compressobj(deflate.FAST_LEVEL, fast.DEFLATED, _RAW)
    return deflating.compress(data) + deflating.flush(fast.Z_FULL_FLUSH)


def unpacked(data: bytes, size: int) -> bytes:
    """Give what a piece holds, `size` bytes or not. Raises ValueError if it is no piece."""
    try:
        return fast.decompress(data + LAST_BLOCK, _RAW, size)
    except fast.error as error:  # type: ignore[misc]  # its types make it a value
        raise ValueError(str(error)) from None


def filler(end: int) -> bytes:
    """Give blocks of nothing that bring an archive of `end` bytes to a multiple of 4 KiB."""
    missing = -end % _BLOCKS
    while True:
        # As many of six bytes as it takes for the rest to be blocks of five.
        sixes = missing % 5
        if missing >= sixes * 6:
            return _FIXED * sixes + _STORED * ((missing - sixes * 6) // 5)
        missing += _BLOCKS


def ending(whole: Span) -> tuple[bytes, Trailer]:
    """Give what follows the last piece, and the archive that results."""
    length = len(GZIP_HEADER) + whole.length + len(LAST_BLOCK) + 8
    trailer = Trailer(length=length, crc=whole.crc, size=whole.size % 2**32)
    return LAST_BLOCK + trailer_bytes(trailer), trailer
