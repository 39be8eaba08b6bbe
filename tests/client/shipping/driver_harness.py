"""A driver whose steps a test takes itself, and a clock that a test sets."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import pytest

from nodelog.shipping.driver import Driver
from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.shipping.process.wakeup import Wakeup
from nodelog.shipping.settings import Settings
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.spool.spool import Spool


class Clock:
    """A monotonic clock that moves only when a test sets `now`."""

    def __init__(self) -> None:
        """Start at an arbitrary time."""
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


class DriverHarness:
    """A driver with its queue and its spool; `wakeups` counts how often the queue woke it."""

    def __init__(self, port: int, *hosts: str, spool: Spool | None = None) -> None:
        """Create a driver that has not connected yet."""
        self.messages: list[str] = []
        self.wakeups = 0
        self.queue = LineQueue(1 << 20, FullPolicy.BLOCK, self._count_wakeup)
        settings = Settings(
            hosts=hosts or ("127.0.0.1",),
            port=port,
            name="test",
            spool=None,
            full=FullPolicy.BLOCK,
            max_bytes=1 << 20,
            tell=self.messages.append,
        )
        self.spool = spool or MemorySpool()
        self.lookup_done = threading.Event()
        self.driver = Driver(settings, ShippingEngine(settings, self.spool, self.queue), self.lookup_done.set)
        self.driver._session._jitter = lambda: 1.0

    def step_until(self, condition: Callable[[], object]) -> None:
        """Take steps, each when the connection is ready, until the condition is true."""
        with closing(Wakeup()) as wakeup:
            for _ in range(1000):
                if condition():
                    return
                self.driver.step(is_ready=wakeup.wait(0.02, self.driver.connection))
        pytest.fail(f"not within 1000 steps: {self.messages}")

    def _count_wakeup(self) -> None:
        self.wakeups += 1


class MakeHarness(Protocol):
    """The type of the fixture `make_harness`."""

    def __call__(self, port: int, *hosts: str, spool: Spool | None = None) -> DriverHarness:
        """Create a harness."""
