"""`AsyncShipper`: a Shipper for programs with an event loop; a thread is used only to wait for the disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from nodelog.shipping.driver import NEVER, Driver
from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_long_line, to_line
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, DEFAULT_PORT, make_settings
from nodelog.shipping.shipper import GRACE_SECONDS
from nodelog.shipping.stats import Stats, collect_stats
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import MemorySpool

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Self

    from nodelog.shipping.tcp_connection import TcpConnection
    from nodelog.spool.spool import Spool

_T = TypeVar("_T")


class AsyncShipper:
    """Accepts lines and keeps them until the collector has acknowledged them; see Shipper.

    `async with AsyncShipper() as shipper: await shipper.send("a line")`. It serves one event loop, and does
    not work in a forked child. With `spool` a thread does what waits for the disk. `host` must be an address:
    a name would be looked up in the loop. Its methods raise RuntimeError when used without `async with`.
    """

    def __init__(  # noqa: PLR0913 (each has a usable default)
        self,
        host: str | None = None,
        port: int = DEFAULT_PORT,
        *,
        spool: str | os.PathLike[str] | None = None,
        full: str = "block",
        max_bytes: int = DEFAULT_MAX_BYTES,
        name: str | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = make_settings(
            host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell
        )
        self._work_pending = asyncio.Event()  # there is something to do
        self._step_done = asyncio.Event()  # something was done
        self._connection_ready = False
        self._queue = LineQueue(self._settings.max_bytes, self._settings.full, self._work_pending.set)
        self._disk_thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None  # None until `async with`

    async def __aenter__(self) -> Self:
        path = self._settings.spool
        if path is None:
            spool: Spool = MemorySpool()
        else:
            self._disk_thread = ThreadPoolExecutor(1, "nodelog")
            spool = await self._run_blocking(lambda: FileSpool(path))
        self._driver = Driver(self._settings, ShippingEngine(self._settings, spool, self._queue))
        self._task = asyncio.create_task(self._run(), name="nodelog")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, line: str | bytes) -> bool:
        """Accept a line; False if it was dropped. With `full="block"` wait until there is room.

        Raises ValueError after `close`.
        """
        self._running_task()
        data = to_line(line)
        if len(data) > MAX_LINE_BYTES:
            return all([await self.send(part) for part in split_long_line(data)])
        while not self._queue.offer(data):
            if self._settings.full is not FullPolicy.BLOCK:
                return False
            await self._step_done.wait()
        return True

    async def keep(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 (it returns what is left then)
        """Wait until all lines sent so far are in the spool; return how many are not."""
        return await self._wait(self._queue.watch_unspooled(), timeout)

    async def flush(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 (it returns what is left then)
        """Wait until all lines so far, and of earlier runs, are acknowledged; return how many are not."""
        return await self._wait(self._queue.watch_unacknowledged(), timeout)

    async def close(self, timeout: float | None = 5.0) -> int:  # noqa: ASYNC109 (it returns what is left then)
        """Accept no more lines, `flush`, and end; return how many lines are left, and report where."""
        task = self._running_task()
        self._queue.close()
        if not task.done():
            self._driver.finish(0.0 if await self.flush(timeout) else GRACE_SECONDS)
            self._work_pending.set()
        await task
        return self._queue.unacknowledged

    @property
    def stats(self) -> Stats:
        """What became of the lines so far."""
        self._running_task()
        return collect_stats(self._driver.engine)

    def _running_task(self) -> asyncio.Task[None]:
        """Return the task that ships lines. Raises RuntimeError if it was not started."""
        if self._task is None:
            raise RuntimeError("not started: use it as `async with AsyncShipper() as shipper:`")
        return self._task

    async def _run(self) -> None:
        """Take steps until the driver has finished."""
        try:
            seconds = await self._run_blocking(self._step)
            while not self._driver.is_finished:
                await self._wait_for_work(seconds, self._driver.connection)
                self._work_pending.clear()
                seconds = await self._run_blocking(self._step)
                self._step_done.set()
                self._step_done.clear()
        finally:
            await self._run_blocking(self._driver.close)
            self._step_done.set()
            if self._disk_thread is not None:
                self._disk_thread.shutdown(wait=False)

    def _step(self) -> float:
        is_ready, self._connection_ready = self._connection_ready, False
        return self._driver.step(is_ready=is_ready)

    async def _run_blocking(self, function: Callable[[], _T]) -> _T:
        """Call a function, in the disk's thread if there is one."""
        if self._disk_thread is None:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._disk_thread, function)

    async def _wait_for_work(self, seconds: float, connection: TcpConnection | None) -> None:
        """Wait until there is something to do, at most `seconds`."""
        loop = asyncio.get_running_loop()
        if connection is not None:
            loop.add_reader(connection.socket, self._on_socket_ready)
            if connection.wants_write:
                loop.add_writer(connection.socket, self._on_socket_ready)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == NEVER else seconds):
                    await self._work_pending.wait()
        finally:
            if connection is not None:
                loop.remove_reader(connection.socket)
                loop.remove_writer(connection.socket)

    def _on_socket_ready(self) -> None:
        self._connection_ready = True
        self._work_pending.set()

    async def _wait(self, remaining: Callable[[], int], timeout: float | None) -> int:  # noqa: ASYNC109
        task = self._running_task()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while remaining() and not task.done():
                    await self._step_done.wait()
        return remaining()
