"""Two syncs at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def sync_in_parallel(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Run two syncs at the same time and return when both have ended. Raises what one of them raised."""
    failures: list[OSError] = []

    def run_second() -> None:
        try:
            second()
        except OSError as error:
            failures.append(error)

    # Not from a pool: the interpreter joins a pool's threads at exit, even one that hangs on a disk.
    thread = threading.Thread(target=run_second, name="parallel sync", daemon=True)
    thread.start()
    try:
        first()
    finally:
        thread.join()
    if failures:
        raise failures[0]
