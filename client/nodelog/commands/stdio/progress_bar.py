"""A progress bar on standard error while a file is read; nothing if that is not a terminal."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_WIDTH: Final = 30
_REDRAW_SECONDS: Final = 0.1
_CLEAR: Final = "\r\x1b[K"


@contextmanager
def progress_bar(label: str, size: int) -> Generator[Callable[[int], None]]:
    """Show a bar; call the yielded function with the bytes read, of `size`. The bar is removed at the end."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    start = drawn = time.monotonic()
    most = 0

    def update(done: int) -> None:
        nonlocal drawn, most
        most, now = max(most, done), time.monotonic()  # it never moves back, even if something is read twice
        if now - drawn >= _REDRAW_SECONDS:
            drawn = now
            _draw(_CLEAR + render_bar(label, most, size, now - start))

    try:
        yield update
    finally:
        _draw(_CLEAR)


def render_bar(label: str, done: int, size: int, seconds: float) -> str:
    """Return the bar as text: the fraction done, the rate, and the time left."""
    part = min(1.0, done / size) if size else 1.0
    filled = round(part * _WIDTH)
    left = (1 - part) * seconds / part if part else 0.0
    rate = done / max(seconds, 0.001)
    return f"{label} [{'#' * filled:{_WIDTH}}] {part:4.0%}  {rate / 1e6:,.0f} MB/s  {left:.0f} s left"


def _draw(text: str) -> None:
    with suppress(OSError, ValueError):  # it is closed
        sys.stderr.write(text)
        sys.stderr.flush()
