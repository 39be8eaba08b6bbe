"""No fork in the middle of SQLite: a child inherits its locks, and would wait for ever to use it itself."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final

_MAX_WAIT_SECONDS: Final = 2.0
"""Seconds that a fork waits for a disk that hangs; then the child runs the risk."""


class ForkGuard:
    """While a thread is in a block of it (`with guard:`), others that would fork wait."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_forking = False
        # Weak, as what is registered stays so for ever.
        before, after = weakref.WeakMethod(self._before), weakref.WeakMethod(self._after)
        os.register_at_fork(
            before=lambda: (hold := before()) and hold(),
            after_in_parent=lambda: (let_go := after()) and let_go(),
        )

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _before(self) -> None:
        self._is_forking = self._lock.acquire(timeout=_MAX_WAIT_SECONDS)

    def _after(self) -> None:
        if self._is_forking:
            self._is_forking = False
            self._lock.release()
