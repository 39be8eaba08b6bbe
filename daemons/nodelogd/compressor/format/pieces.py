"""Deflate pieces that can be concatenated without being changed: no I/O.

Each piece is compressed from an empty dictionary and ends in a full flush, on a byte boundary, without a last
block. So any sequence of pieces between a gzip header and an empty last block is one gzip member, and its
CRC-32 is combined from theirs. A piece is the same bytes wherever it is placed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nodelog.archive.index import Trailer, trailer_bytes
from nodelogd.service.files import deflate
from nodelogd.service.files.deflate import fast, small

if TYPE_CHECKING:
    from collections.abc import Iterable

GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
"""Minimal: no name, no time, made on Unix. An extra field would break readers."""
LAST_BLOCK: Final = b"\x03\x00"
"""Empty; the first bytes in the member that are not a piece."""

_RAW: Final = -15
_STORED: Final = b"\x00\x00\x00\xff\xff"
_FIXED: Final = b"\x02\x00\x00\x00\xff\xff"
"""Empty blocks of five and of six bytes, each ending on a byte boundary."""
_ALIGNMENT: Final = 4096


class Span(NamedTuple):
    """One or more consecutive pieces."""

    length: int
    """Bytes in the archive."""
    size: int
    """Bytes of the tar stream."""
    crc: int
    """CRC-32 of those."""


EMPTY_SPAN: Final = Span(0, 0, 0)


def join_spans(spans: Iterable[Span]) -> Span:
    """Return one span for several consecutive ones."""
    length = size = crc = 0
    for span in spans:
        length += span.length
        crc = deflate.crc32_combine(crc, span.crc, span.size)
        size += span.size
    return Span(length, size, crc)


def compress_piece(data: bytes | memoryview, level: int) -> bytes:
    """Compress a piece that is meant to stay."""
    deflating = small.compressobj(level, small.DEFLATED, _RAW)
    return deflating.compress(data) + deflating.flush(small.Z_FULL_FLUSH)


def compress_piece_fast(data: bytes | memoryview) -> bytes:
    """Compress a piece that the next cycle replaces: five times as fast with isal, and a quarter larger."""
    deflating = fast.compressobj(deflate.FAST_LEVEL, fast.DEFLATED, _RAW)
    return deflating.compress(data) + deflating.flush(fast.Z_FULL_FLUSH)


def decompress_piece(data: bytes, size: int) -> bytes:
    """Return the content of a piece, of `size` bytes or fewer. Raises ValueError if it is no such piece."""
    inflater = fast.decompressobj(_RAW)
    try:
        # One byte more than expected, so that data that goes on is noticed and a bomb costs no memory.
        content: bytes = inflater.decompress(data + LAST_BLOCK, size + 1)
    except fast.error as error:  # type: ignore[misc]  # its types make it a value
        raise ValueError(str(error)) from None
    if len(content) > size or not inflater.eof:
        raise ValueError("it does not end where it should")
    return content


def alignment_filler(end: int) -> bytes:
    """Return empty blocks that extend an archive of `end` bytes to a multiple of 4 KiB."""
    missing = -end % _ALIGNMENT
    while True:
        # As many of six bytes as are needed for the rest to be blocks of five.
        sixes = missing % 5
        if missing >= sixes * 6:
            return _FIXED * sixes + _STORED * ((missing - sixes * 6) // 5)
        missing += _ALIGNMENT


def archive_end(whole: Span) -> tuple[bytes, Trailer]:
    """Return the bytes after the last piece, and the trailer that identifies the finished archive."""
    length = len(GZIP_HEADER) + whole.length + len(LAST_BLOCK) + 8
    trailer = Trailer(length=length, crc=whole.crc, size=whole.size % 2**32)
    return LAST_BLOCK + trailer_bytes(trailer), trailer
