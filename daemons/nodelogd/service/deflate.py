"""Deflate and CRC-32 as fast as they come: by isal and zlib-ng, or by zlib where those have no wheel.

All of them read what any of them wrote. `small` makes the size of `gzip -6`, with zlib-ng for a third of its
CPU; `fast` is for what is soon made anew.
"""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from typing import Final

try:
    from isal import isal_zlib as fast

    FAST_LEVEL: int = 2
except ImportError:
    fast = zlib  # type: ignore[misc]  # the same functions
    FAST_LEVEL = 1

try:
    from zlib_ng import zlib_ng as small
    from zlib_ng.gzip_ng import GzipNGFile as GzipFile

    SMALL_LEVEL: int = 5
except ImportError:
    small = zlib  # type: ignore[misc]
    GzipFile = gzip.GzipFile  # type: ignore[misc,assignment]
    SMALL_LEVEL = 6

__all__ = ["FAST_LEVEL", "SMALL_LEVEL", "GzipFile", "crc32", "crc32_combine", "fast", "small"]

_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31
"""Coefficients begin with the highest bit."""


def combined(first: int, second: int, length: int) -> int:
    """Give the CRC-32 of two rows of bytes, of theirs and the length of the second; see `crc32_combine`."""
    return _product(_power(length), first) ^ second


def _product(a: int, b: int) -> int:
    """Multiply modulo the polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=1024)
def _power(length: int) -> int:
    """Give x to the power of so many bytes, modulo the polynomial."""
    power, square = _ONE, _ONE >> 8
    while length:
        if length & 1:
            power = _product(square, power)
        square = _product(square, square)
        length >>= 1
    return power


crc32 = fast.crc32
crc32_combine = getattr(fast, "crc32_combine", None) or getattr(small, "crc32_combine", None) or combined
"""Give the CRC-32 of two rows of bytes: of the CRC-32 of each, and the length of the second."""
