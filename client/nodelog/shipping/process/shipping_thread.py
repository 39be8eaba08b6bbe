"""The thread that drives a shipper's lines to the collector, and what stands in for it where none can start.

A thread cannot start if a limit is reached, or at the end of the interpreter (since Python 3.12). Then lines
wait, and whoever flushes or closes the shipper takes the steps himself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nodelog.shipping.driver import NEVER, Driver
from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.process.wakeup import Wakeup
from nodelog.unpatched import allocate_lock, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.shipping.line_queue import LineQueue
    from nodelog.shipping.settings import Settings
    from nodelog.spool.spool import Spool

GRACE_SECONDS: Final = 1.0
"""The time for the thread to close its connection, or to return from the disk, when its time is over."""
_NO_LIMIT_SECONDS: Final = 1e9
_STEP_SECONDS: Final = 0.05
"""How long a step may wait that another thread takes: what it waits for may be a fact of another thread."""


class ShippingThread:
    """Ships the lines of a queue until `finish`. Raises OSError if the program has no descriptors left."""

    def __init__(self, settings: Settings, spool: Spool, queue: LineQueue) -> None:
        self._wakeup = Wakeup()
        self.driver = Driver(settings, ShippingEngine(settings, spool, queue), self.wake)
        self._tell = settings.tell
        self._queue = queue
        self._is_started = False
        self._is_told = False
        self._is_closed = False
        self._running = allocate_lock()  # held while steps are taken, by whichever thread

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._is_started and self._running.locked()

    def start(self) -> bool:
        """Start the thread, unless it has been started; return False if it cannot start now."""
        if self._is_started or self._is_closed or not self._running.acquire(blocking=False):
            return True
        try:
            start_thread(self._run, "nodelog")
        except RuntimeError as error:
            self._running.release()
            self._report(error)
        else:
            self._is_started = True
        return self._is_started

    def wake(self) -> None:
        """Make the thread take its next step now."""
        self._wakeup.wake()

    def finish(self, timeout: float) -> None:
        """End when nothing is left to send, or `timeout` seconds from now."""
        self.driver.finish(timeout)
        self._wakeup.wake()

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end of the thread; return whether it has ended."""
        if not self._running.acquire(timeout=timeout):
            return False
        self._running.release()
        return True

    def wait_until_zero(self, remaining: Callable[[], int], timeout: float | None) -> int:
        """Wait until `remaining` is 0 or all is finished, at most `timeout` seconds; return `remaining`."""
        if self.start():
            return self._queue.wait_until_zero(remaining, timeout)
        self.drive(lambda: not remaining(), timeout)
        return remaining()

    def end(self, flush: Callable[[float | None], int], timeout: float | None) -> None:
        """End when `flush(timeout)` has returned; no lines come any more. Report a disk that hangs."""
        if not self.start():
            self.finish(_NO_LIMIT_SECONDS if timeout is None else timeout)
            self.drive(lambda: False, None)
        elif self.is_alive:
            self.finish(0.0 if flush(timeout) else GRACE_SECONDS)
            # Once all is acknowledged, the driver itself waits GRACE_SECONDS for the collector's goodbye.
            if not self.join(2 * GRACE_SECONDS) and (left := self._queue.unacknowledged):
                self._tell(f"the disk does not respond; {left} lines are not acknowledged")

    def drive(self, is_done: Callable[[], bool], timeout: float | None) -> None:
        """Take the steps of a thread that could not start: until `is_done`, at most `timeout` seconds."""
        end = NEVER if timeout is None else time.monotonic() + timeout
        if self._is_closed or not self._running.acquire(blocking=False):
            return
        try:
            seconds = self.driver.step(is_ready=False)
            while not self.driver.is_finished and not is_done() and time.monotonic() < end:
                seconds = self.driver.step(is_ready=self._wait(min(seconds, _STEP_SECONDS)))
            if self.driver.is_finished:
                self._close()
            else:
                self._queue.request_wakeup(1)  # the next line may find that a thread can start
        finally:
            self._running.release()

    def abandon(self) -> None:
        """Close what a forked child has of its parent's."""
        self._wakeup.close()
        if self.driver.connection is not None:
            # Otherwise the collector would not see when the parent closes the connection.
            self.driver.connection.close()

    def _run(self) -> None:
        """Take steps until the driver has finished; this is the thread."""
        try:
            seconds = self.driver.step(is_ready=False)
            while not self.driver.is_finished:
                seconds = self.driver.step(is_ready=self._wait(seconds))
        finally:
            self._close()
            self._running.release()

    def _wait(self, seconds: float) -> bool:
        return self._wakeup.wait(seconds, self.driver.connection)

    def _close(self) -> None:
        self._is_closed = True
        self.driver.close()
        self._wakeup.close()

    def _report(self, error: RuntimeError) -> None:
        """Say once that no thread can start; ask to be called again for the next line."""
        self._queue.request_wakeup(1)
        # At the end of an interpreter, and in a sub-interpreter, that is normal.
        if not self._is_told and "interpreter" not in str(error):
            self._is_told = True
            self._tell(
                f"cannot start a thread: {error}; lines are sent only when new ones come, and at the end"
            )
