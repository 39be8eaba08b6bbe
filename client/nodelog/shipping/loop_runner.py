"""Takes a driver's steps in an event loop, by callbacks instead of a task.

Programs cancel every task that they find when they end, and `asyncio.run` does, too. A task of our own would
end with them, before the lines that others send while they are being cancelled.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from nodelog.shipping.driver import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from nodelog.shipping.driver import Driver
    from nodelog.shipping.network.tcp_connection import TcpConnection

_T = TypeVar("_T")


class LoopRunner:
    """Runs a driver in the running loop until it has finished, and closes it then.

    Steps are taken in `disk_thread` if there is one. `on_step` is called after each of them. Only the loop's
    thread may use it, except for `wake_from_thread`.
    """

    def __init__(self, driver: Driver, disk_thread: Executor | None, on_step: Callable[[], None]) -> None:
        self._driver = driver
        self._disk_thread = disk_thread
        self._on_step = on_step
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done once the driver is closed."""
        self._is_stepping = False
        self._is_wanted = False  # a step, soon or after the current one
        self._connection_ready = False
        self._watched: TcpConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.wake()

    def wake(self) -> None:
        """Take a step soon."""
        if not self._is_wanted and not self.ended.done():
            self._is_wanted = True
            if not self._is_stepping:
                self._loop.call_soon(self._begin_step)

    def wake_from_thread(self) -> None:
        """Do the same, for other threads."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.wake)

    async def wait(self) -> None:
        """Wait until the driver is closed."""
        await asyncio.shield(self.ended)  # or a waiter that is cancelled would cancel it

    def _begin_step(self) -> None:
        self._stop_waiting()
        self._is_stepping, self._is_wanted = True, False
        self._run(self._step, self._end_step)

    def _step(self) -> float:
        is_ready, self._connection_ready = self._connection_ready, False
        return self._driver.step(is_ready=is_ready)

    def _end_step(self, outcome: asyncio.Future[float]) -> None:
        self._is_stepping = False
        if outcome.exception() is not None or self._driver.is_finished:
            self._is_wanted = True  # no further step begins
            self._run(self._driver.close, lambda closed: self._end(outcome, closed))
        elif self._is_wanted:
            self._loop.call_soon(self._begin_step)
        else:
            self._wait_for_work(outcome.result(), self._driver.connection)
        self._on_step()

    def _end(self, *outcomes: asyncio.Future[float] | asyncio.Future[None]) -> None:
        errors = [error for outcome in outcomes if (error := outcome.exception()) is not None]
        if errors:
            self.ended.set_exception(errors[0])
        else:
            self.ended.set_result(None)
        self._on_step()

    def _run(self, function: Callable[[], _T], then: Callable[[asyncio.Future[_T]], None]) -> None:
        """Call a function, in the disk's thread if there is one, and `then` with what became of it."""
        if self._disk_thread is not None:
            self._loop.run_in_executor(self._disk_thread, function).add_done_callback(then)
            return
        outcome: asyncio.Future[_T] = self._loop.create_future()
        try:
            outcome.set_result(function())
        except Exception as error:  # noqa: BLE001 (a fault of the program: whoever closes it gets it)
            outcome.set_exception(error)
        then(outcome)

    def _wait_for_work(self, seconds: float, connection: TcpConnection | None) -> None:
        """Wake up in `seconds`, or when the connection is ready."""
        if seconds != NEVER:
            self._timer = self._loop.call_later(seconds, self.wake)
        if connection is not None:
            self._watched = connection
            self._loop.add_reader(connection.socket, self._on_socket_ready)
            if connection.wants_write:
                self._loop.add_writer(connection.socket, self._on_socket_ready)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watched is not None:
            self._loop.remove_reader(self._watched.socket)
            self._loop.remove_writer(self._watched.socket)
            self._watched = None

    def _on_socket_ready(self) -> None:
        self._connection_ready = True
        self.wake()
