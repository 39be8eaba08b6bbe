"""Sizes and times as people write them: `64KiB` is 65536 bytes, `15s` is 15 seconds.

Plain numbers are bytes and seconds. Nothing negative, infinite or fractional of a byte gets through, so that
whoever reads an option with these two functions need not look again.
"""

import re
from typing import Final

_SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_TIMES: Final = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
# ASCII digits only, and few enough of them that no arithmetic on the result is out of proportion.
_FORM: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))? ?([A-Za-z]*)")


def size(text: str) -> int:
    """Return the bytes that `text` stands for: `4096`, `64KiB`, `1.5MiB`."""
    allowed = "a number of bytes, or of B, KiB, MiB, GiB or TiB, such as 64KiB"
    amount, scale = _fraction(text, _SIZES, allowed)
    total, rest = divmod(amount, scale)
    if rest:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return total


def duration(text: str) -> float:
    """Return the seconds that `text` stands for: `500ms`, `15s`, `1.5h`, `1d`."""
    allowed = "a number of seconds, or of ms, s, m (min), h or d, such as 15s"
    thousandths, scale = _fraction(text, _TIMES, allowed)
    return thousandths / (1000 * scale)


def _fraction(text: str, units: dict[str, int], allowed: str) -> tuple[int, int]:
    """Read `text` as a fraction of integers: 0.1 is a tenth, and `decimal` would cost a daemon 0.6 MB."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found[3] not in units:
        raise ValueError(f"{text!r} is not {allowed}")
    decimals = found[2] or ""
    return int(found[1] + decimals) * units[found[3]], 10 ** len(decimals)
