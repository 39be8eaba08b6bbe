"""Fast Deflate and CRC-32: isal and zlib-ng, or zlib on platforms for which those have no wheel.

Each library reads what the others wrote. `small` compresses to the size of `gzip -6`, with zlib-ng for a
third of its CPU time; `fast` is for data that will soon be rewritten.
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
    fast = zlib  # type: ignore[misc]  # it has the same functions
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
"""The polynomial 1: the highest bit is the coefficient of x^0."""


def combine_crc32(first: int, second: int, length: int) -> int:
    """Return the CRC-32 of two concatenated byte strings; the fallback for `crc32_combine`."""
    return _product(_power(length), first) ^ second


def _product(a: int, b: int) -> int:
    """Return the product of two polynomials modulo the CRC polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=1024)
def _power(length: int) -> int:
    """Return x to the power of 8 * `length`, modulo the CRC polynomial."""
    power, square = _ONE, _ONE >> 8
    while length:
        if length & 1:
            power = _product(square, power)
        square = _product(square, square)
        length >>= 1
    return power


crc32 = fast.crc32
crc32_combine = getattr(fast, "crc32_combine", None) or getattr(small, "crc32_combine", None) or combine_crc32
"""Return the CRC-32 of two concatenated byte strings; takes the CRC-32 of each and the second's length."""
