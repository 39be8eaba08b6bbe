"""`AsyncShipper`: a Shipper for programs with an event loop; a thread is used only to wait for the disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.shipping.driver import Driver
from nodelog.shipping.engine import ShippingEngine
from nodelog.shipping.line_queue import FullPolicy, LineQueue
from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_long_line, to_line
from nodelog.shipping.loop_runner import LoopRunner
from nodelog.shipping.process.shipping_thread import GRACE_SECONDS
from nodelog.shipping.settings import DEFAULT_MAX_BYTES, DEFAULT_PORT, make_settings
from nodelog.shipping.stats import Stats, collect_stats
from nodelog.spool.memory_spool import MemorySpool
from nodelog.spool.process_files import open_spool
from nodelog.unpatched import block_signals

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Future
    from typing import Self

    from nodelog.spool.file_spool import FileSpool
    from nodelog.spool.spool import Spool

AT_LOOP_END_SECONDS: Final = 5.0
"""The time for lines of a program that has not called `close` before its loop ends."""


class AsyncShipper:
    """Accepts lines and keeps them until the collector has acknowledged them; see Shipper.

    `async with AsyncShipper() as shipper: await shipper.send("a line")`. It serves one event loop, and does
    not work in a forked child. With `spool` a thread does what waits for the disk, and a thread looks `host`
    up if it is a name. Cancelling all tasks does not disturb it; a loop that ends without `close` closes it.
    Its methods raise RuntimeError when used without `async with`.
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
        self._step_done = asyncio.Event()  # pulses: something was done
        self._queue = LineQueue(self._settings.max_bytes, self._settings.full, self._wake)
        self._disk_thread: ThreadPoolExecutor | None = None
        self._runner: LoopRunner | None = None  # None until `async with`

    async def __aenter__(self) -> Self:
        path = self._settings.spool
        spool: Spool = MemorySpool() if path is None else await self._open_spool(path)
        engine = ShippingEngine(self._settings, spool, self._queue)
        self._driver = Driver(self._settings, engine, self._wake_from_thread)
        self._runner = LoopRunner(self._driver, self._disk_thread, self._on_step)
        self._loop_end = self._close_with_loop()
        await anext(self._loop_end)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, line: str | bytes) -> bool:
        """Accept a line; False if it was dropped. With `full="block"` wait until there is room.

        Raises ValueError after `close`.
        """
        self._started()
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
        await self._close(timeout)
        await self._loop_end.aclose()
        return self._queue.unacknowledged

    @property
    def stats(self) -> Stats:
        """What became of the lines so far."""
        self._started()
        return collect_stats(self._driver.engine)

    def _started(self) -> LoopRunner:
        """Return what ships lines. Raises RuntimeError if it was not started."""
        if self._runner is None:
            raise RuntimeError("not started: use it as `async with AsyncShipper() as shipper:`")
        return self._runner

    async def _open_spool(self, path: str) -> Spool:
        """Open the file in the disk's thread; if that is cancelled, it is closed again."""
        self._disk_thread = ThreadPoolExecutor(1, "nodelog", initializer=block_signals)
        opening = self._disk_thread.submit(open_spool, path)
        try:
            return await asyncio.wrap_future(opening)
        except BaseException:
            opening.add_done_callback(_close_opened)
            self._disk_thread.shutdown(wait=False)
            raise

    async def _close(self, timeout: float | None) -> None:  # noqa: ASYNC109
        """Flush and end; if that is cancelled, end without waiting."""
        runner = self._started()
        self._queue.close()
        seconds = 0.0
        try:
            seconds = 0.0 if await self.flush(timeout) else GRACE_SECONDS
        finally:
            if not runner.ended.done():
                self._driver.finish(seconds)
                runner.wake()
        try:
            await runner.wait()
        except asyncio.CancelledError:
            self._driver.finish(0.0)
            runner.wake()
            raise

    async def _close_with_loop(self) -> AsyncGenerator[None]:
        """Close the shipper when the loop ends: `asyncio.run` ends all tasks, then generators like this."""
        try:
            yield
        finally:
            await self._close(AT_LOOP_END_SECONDS)

    def _wake(self) -> None:
        if self._runner is not None:
            self._runner.wake()

    def _wake_from_thread(self) -> None:
        if self._runner is not None:
            self._runner.wake_from_thread()

    def _on_step(self) -> None:
        self._step_done.set()
        self._step_done.clear()
        if self._disk_thread is not None and self._started().ended.done():
            self._disk_thread.shutdown(wait=False)

    async def _wait(self, remaining: Callable[[], int], timeout: float | None) -> int:  # noqa: ASYNC109
        runner = self._started()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while remaining() and not runner.ended.done():
                    await self._step_done.wait()
        return remaining()


def _close_opened(opening: Future[FileSpool]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
