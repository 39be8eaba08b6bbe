"""Sizes and times as people write them: `64KiB` is 65536 bytes, `15s` is 15 seconds.

Plain numbers are bytes and seconds. Nothing negative, infinite or fractional of a byte gets through, so that
whoever reads an option with these two functions need not look again.
"""

import re
from decimal import Decimal
from typing import Final

_SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_TIMES: Final = {"": "1", "ms": "0.001", "s": "1", "m": "60", "min": "60", "h": "3600", "d": "86400"}
# ASCII digits only, and few enough of them that no arithmetic on the result is out of proportion.
_FORM: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")


def size(text: str) -> int:
    """Return the bytes that `text` stands for: `4096`, `64KiB`, `1.5MiB`."""
    allowed = "a number of bytes, or of B, KiB, MiB, GiB or TiB, such as 64KiB"
    number, factor = _split(text, {unit: str(scale) for unit, scale in _SIZES.items()}, allowed)
    total = number * factor
    if total != int(total):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(total)


def duration(text: str) -> float:
    """Return the seconds that `text` stands for: `500ms`, `15s`, `1.5h`, `1d`."""
    allowed = "a number of seconds, or of ms, s, m (min), h or d, such as 15s"
    number, factor = _split(text, _TIMES, allowed)
    return float(number * factor)


def _split(text: str, units: dict[str, str], allowed: str) -> tuple[Decimal, Decimal]:
    """Take `text` apart into a number and the scale of its unit; Decimal, so that 0.1 is a tenth."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found[2] not in units:
        raise ValueError(f"{text!r} is not {allowed}")
    return Decimal(found[1]), Decimal(units[found[2]])
