"""No fork in the middle of a SQLite call: a child would inherit its locks, and wait forever to use SQLite."""

from __future__ import annotations

import os
import weakref
from typing import Final

from nodelog.unpatched import Locked

_MAX_WAIT_SECONDS: Final = 2.0
"""Seconds that a fork waits for a hanging disk; after that the child takes the risk."""


class ForkGuard(Locked):
    """While one thread is inside `with guard:`, a fork in another thread waits."""

    def __init__(self) -> None:
        super().__init__()
        self._is_forking = False
        # Weak references: what is registered here stays registered forever.
        before, after = weakref.WeakMethod(self._before), weakref.WeakMethod(self._after)
        os.register_at_fork(
            before=lambda: (acquire := before()) and acquire(),
            after_in_parent=lambda: (release := after()) and release(),
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
