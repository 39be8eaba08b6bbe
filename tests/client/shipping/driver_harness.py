"""A runner whose clock a test sets, and whose turns it takes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import pytest

from nodelog.shipping.driver import Driver
from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.shipping.settings import Settings
from nodelog.shipping.wakeup import Wakeup
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.spool.spool import Spool


class Clock:
    """A time that passes when a test says so."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.now = 1000.0

    def monotonic(self) -> float:
        """Tell it."""
        return self.now


class Rig:
    """A runner that is driven by a test."""

    def __init__(self, port: int, *hosts: str, spool: Spool | None = None) -> None:
        """Put it together."""
        self.told: list[str] = []
        self.rings: list[int] = []
        self.intake = LineQueue(1 << 20, FullPolicy.BLOCK, lambda: self.rings.append(1))
        settings = Settings(
            hosts=hosts or ("127.0.0.1",),
            port=port,
            name="test",
            spool=None,
            full=FullPolicy.BLOCK,
            max_bytes=1 << 20,
            tell=self.told.append,
        )
        self.spool = spool or MemorySpool()
        self.runner = Driver(settings, ShippingEngine(settings, self.spool, self.intake))
        self.runner._session._jitter = lambda: 1.0

    def until(self, fact: Callable[[], object]) -> None:
        """Take turns, each when the link is ready, until something is so."""
        with closing(Wakeup()) as bell:
            for _ in range(1000):
                if fact():
                    return
                self.runner.step(is_ready=bell.wait(0.02, self.runner.connection))
        pytest.fail(f"not within 1000 turns: {self.told}")


class Rigs(Protocol):
    """What the fixture `rigged` is."""

    def __call__(self, port: int, *hosts: str, spool: Spool | None = None) -> Rig:
        """Make a rig."""
