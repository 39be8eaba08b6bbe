"""A bar on a terminal that shows how far a file is read; nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_WIDTH: Final = 30
_EVERY: Final = 0.1  # seconds from one look to the next
_CLEAR: Final = "\r\x1b[K"


@contextmanager
def reading(what: str, size: int) -> Generator[Callable[[int], None]]:
    """Give what is to be told how many of `size` bytes are read; the bar is gone at the end."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    start = drawn = time.monotonic()
    most = 0

    def tell(done: int) -> None:
        nonlocal drawn, most
        most, now = max(most, done), time.monotonic()  # it never goes back, whatever is read twice
        if now - drawn >= _EVERY:
            drawn = now
            _draw(_CLEAR + bar(what, most, size, now - start))

    try:
        yield tell
    finally:
        _draw(_CLEAR)


def bar(what: str, done: int, size: int, seconds: float) -> str:
    """Draw it: what is done, how fast, and how long the rest will take."""
    part = min(1.0, done / size) if size else 1.0
    filled = round(part * _WIDTH)
    left = (1 - part) * seconds / part if part else 0.0
    rate = done / max(seconds, 0.001)
    return f"{what} [{'#' * filled:{_WIDTH}}] {part:4.0%}  {rate / 1e6:,.0f} MB/s  {left:.0f} s left"


def _draw(text: str) -> None:
    with suppress(OSError, ValueError):  # it is closed
        sys.stderr.write(text)
        sys.stderr.flush()
