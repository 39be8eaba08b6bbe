"""Sizes and durations as people write them: `64KiB` is 65536 bytes, `15s` is 15 seconds.

Plain numbers are bytes and seconds. Negative and infinite values and fractions of a byte are refused, so that
an option parsed by these functions needs no further checks.
"""

import re
from typing import Final

_SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_TIMES: Final = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
# ASCII digits only, and few enough that arithmetic on the result stays cheap.
_QUANTITY: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))? ?([A-Za-z]*)")


def parse_size(text: str) -> int:
    """Return the number of bytes in `text`, such as `4096`, `64KiB` or `1.5MiB`. Raises ValueError."""
    allowed = "a number of bytes, or of B, KiB, MiB, GiB or TiB, such as 64KiB"
    amount, scale = _parse_fraction(text, _SIZES, allowed)
    total, rest = divmod(amount, scale)
    if rest:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return total


def parse_duration(text: str) -> float:
    """Return the number of seconds in `text`, such as `500ms`, `15s`, `1.5h` or `1d`. Raises ValueError."""
    allowed = "a number of seconds, or of ms, s, m (min), h or d, such as 15s"
    thousandths, scale = _parse_fraction(text, _TIMES, allowed)
    return thousandths / (1000 * scale)


def _parse_fraction(text: str, units: dict[str, int], allowed: str) -> tuple[int, int]:
    """Return numerator and denominator, so that 0.1 is exact; `decimal` would cost a daemon 0.6 MB."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[3] not in units:
        raise ValueError(f"{text!r} is not {allowed}")
    decimals = match[2] or ""
    return int(match[1] + decimals) * units[match[3]], 10 ** len(decimals)
