"""SIGTERM and SIGINT: the first one ends the work in its order, the second one at once.

Handlers raise nothing: an exception out of nowhere is no way to end something that must not lose a line. So
nothing here waits without looking around.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
STEP: Final = 0.1
"""Seconds from one look at the signals to the next, where they cannot be waited for."""


class Stop:
    """Has been told to stop once it is readable; a file descriptor for poll()."""

    def __init__(self, told: socket.socket) -> None:
        self.times = 0
        """How many signals there were."""
        self._told = told

    def fileno(self) -> int:
        """Give what becomes readable with the first signal and stays so."""
        return self._told.fileno()

    def wait(self, seconds: float) -> bool:
        """Wait so long; True as soon as it is time to stop."""
        return bool(select.select([self], [], [], max(0.0, seconds))[0])

    def tell(self, *_: object) -> None:
        """Take a signal."""
        self.times += 1


class Patience:
    """How long to wait at the end: `timeout` seconds from the end of the input or the first signal on.

    None is as long as it takes. The second signal ends all patience.
    """

    def __init__(self, stop: Stop, timeout: float | None) -> None:
        self._stop = stop
        self._timeout = float("inf") if timeout is None else timeout
        self._end: float | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether to wait no longer."""
        if self._stop.times and self._end is None:
            self.begin()
        return self._stop.times > 1 or (self._end is not None and time.monotonic() >= self._end)

    def begin(self) -> None:
        """Begin to count, as the input has ended."""
        if self._end is None:
            self._end = time.monotonic() + self._timeout

    def wait(self, remaining: Callable[[float], int]) -> int:
        """Call this, which waits so many seconds, until nothing remains or patience is over.

        Give what remains.
        """
        while (left := remaining(STEP)) and not self.is_over:
            pass
        return left


@contextmanager
def told_to_stop() -> Generator[Stop]:
    """Take the signals for as long as the block lasts. For the main thread only."""
    told, tell = socket.socketpair()
    tell.setblocking(False)
    stop = Stop(told)
    old = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, stop.tell) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old)
        told.close()
        tell.close()
