"""`AsyncShipper`: what Shipper is, for programs with an event loop; a thread only waits for the disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from nodelog.shipping.driver import NEVER, Runner
from nodelog.shipping.engine import Carrier
from nodelog.shipping.line_queue import Full, Intake
from nodelog.shipping.line_splitting import LONGEST, cut, line_of
from nodelog.shipping.settings import MAX_BYTES, PORT, settings_of
from nodelog.shipping.shipper import GRACE
from nodelog.shipping.stats import Stats, stats_of
from nodelog.spool.file_spool import FileSpool
from nodelog.spool.memory_spool import Spool

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Self

    from nodelog.shipping.tcp_connection import Link

_T = TypeVar("_T")


class AsyncShipper:
    """Takes lines and does not let go of them until the collector has acknowledged them; see Shipper.

    `async with AsyncShipper() as shipper: await shipper.send("a line")`. For one event loop, and not for a
    forked child. With `spool` a thread is used for what waits for the disk. `host` is an address: a name
    would be looked up in the loop. Raises RuntimeError when it is used without `async with`.
    """

    def __init__(  # noqa: PLR0913 (each has a default that will do)
        self,
        host: str | None = None,
        port: int = PORT,
        *,
        spool: str | os.PathLike[str] | None = None,
        full: str = "block",
        max_bytes: int = MAX_BYTES,
        name: str | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings_of(
            host, port, spool=spool, full=full, max_bytes=max_bytes, name=name, tell=tell
        )
        self._news = asyncio.Event()  # there is something to do
        self._turned = asyncio.Event()  # something was done
        self._is_ready = False  # the link
        self._intake = Intake(self._settings.max_bytes, self._settings.full, self._news.set)
        self._disk: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None  # until it is entered

    async def __aenter__(self) -> Self:
        path = self._settings.spool
        if path is None:
            spool = Spool()
        else:
            self._disk = ThreadPoolExecutor(1, "nodelog")
            spool = await self._do(lambda: FileSpool(path))
        self._runner = Runner(self._settings, Carrier(self._settings, spool, self._intake))
        self._task = asyncio.create_task(self._work(), name="nodelog")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, line: str | bytes) -> bool:
        """Take a line; False if it was dropped. With `full="block"` it waits until there is room.

        Raises ValueError after `close`.
        """
        self._entered()
        data = line_of(line)
        if len(data) > LONGEST:
            return all([await self.send(part) for part in cut(data)])
        while not self._intake.offer(data):
            if self._settings.full is not Full.BLOCK:
                return False
            await self._turned.wait()
        return True

    async def keep(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 (it gives what is left then)
        """Wait until all lines that were sent so far are in the spool; give how many are not."""
        return await self._wait(self._intake.watch_kept(), timeout)

    async def flush(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 (it gives what is left then)
        """Wait until all lines so far are acknowledged, those of earlier runs too; give how many are not."""
        return await self._wait(self._intake.watch_gone(), timeout)

    async def close(self, timeout: float | None = 5.0) -> int:  # noqa: ASYNC109 (it gives what is left then)
        """Take no more lines, `flush`, and end; give how many lines are left, and tell where they are."""
        task = self._entered()
        self._intake.close()
        if not task.done():
            self._runner.finish(0.0 if await self.flush(timeout) else GRACE)
            self._news.set()
        await task
        return self._intake.left

    @property
    def stats(self) -> Stats:
        """What became of the lines so far."""
        self._entered()
        return stats_of(self._runner.carrier)

    def _entered(self) -> asyncio.Task[None]:
        """Give what does the work."""
        if self._task is None:
            raise RuntimeError(
                "nobody sends the lines yet: use it as `async with AsyncShipper() as shipper:`"
            )
        return self._task

    async def _work(self) -> None:
        """Take turns."""
        try:
            seconds = await self._do(self._turn)
            while not self._runner.is_over:
                await self._rest(seconds, self._runner.link)
                self._news.clear()
                seconds = await self._do(self._turn)
                self._turned.set()
                self._turned.clear()
        finally:
            await self._do(self._runner.close)
            self._turned.set()
            if self._disk is not None:
                self._disk.shutdown(wait=False)

    def _turn(self) -> float:
        is_ready, self._is_ready = self._is_ready, False
        return self._runner.turn(is_ready=is_ready)

    async def _do(self, work: Callable[[], _T]) -> _T:
        """Do it here, or where it may wait for the disk."""
        if self._disk is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    async def _rest(self, seconds: float, link: Link | None) -> None:
        """Wait so long, or until there is something to do."""
        loop = asyncio.get_running_loop()
        if link is not None:
            loop.add_reader(link.socket, self._ready)
            if link.is_writing:
                loop.add_writer(link.socket, self._ready)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == NEVER else seconds):
                    await self._news.wait()
        finally:
            if link is not None:
                loop.remove_reader(link.socket)
                loop.remove_writer(link.socket)

    def _ready(self) -> None:
        self._is_ready = True
        self._news.set()

    async def _wait(self, remaining: Callable[[], int], timeout: float | None) -> int:  # noqa: ASYNC109
        task = self._entered()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while remaining() and not task.done():
                    await self._turned.wait()
        return remaining()
