"""The whole of logcd as a daemon: the pages, the thread of the cycles, and the end."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from nodelog import __version__
from nodelogd.compressor.compressor import Compressor
from nodelogd.compressor.cycle_timer import Worker
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.readiness import REASONS
from nodelogd.compressor.upkeep.cycle_lock import BusyError
from nodelogd.service.health import Health
from nodelogd.service.http_server import serving_pages
from nodelogd.service.listening_sockets import address_of, listen_on_all
from nodelogd.service.signals import handling_signals

if TYPE_CHECKING:
    from nodelogd.compressor.settings import Settings

log = logging.getLogger(__name__)

LOOK: Final = 0.5  # seconds from one look at the freshness to the next, unless a cycle ends
GRACE: Final = 20.0  # seconds for a cycle to stop; it takes that long only on a disk that hangs


async def compress(settings: Settings) -> int:
    """Make archives until SIGTERM or SIGINT; give the exit code: 1 if a cycle hung and was left behind.

    Raises ListenError, or another OSError if a port cannot be opened.
    """
    daemon = Daemon(settings)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(handling_signals(daemon.worker.wake))
        pages = listen_on_all(stack, settings.http, "--http")
        await stack.enter_async_context(
            serving_pages(pages, daemon.health, daemon.metrics.registry, daemon.status)
        )
        log.info(
            "archives of %s go to %s every %g s; HTTP on %s",
            settings.directory,
            settings.out,
            settings.every,
            ", ".join(map(address_of, pages)),
            extra={"http": [*map(address_of, pages)]},
        )
        daemon.worker.start()
        await daemon.run(stop)
        return 0 if await daemon.end() else 1


class Daemon:
    """The parts of a compressor that runs on and on."""

    def __init__(self, settings: Settings) -> None:
        """Put together what needs neither disk nor network."""
        self._settings = settings
        self._started = time.monotonic()
        self.metrics = Metrics()
        self.health = Health()
        self._compressor = Compressor(
            settings, self.metrics, f", next try in {settings.every:g} s at the latest"
        )
        self._is_ready = False
        self._loop = asyncio.get_running_loop()
        self.worker = Worker(self._cycle, settings.every)
        self._look()

    async def run(self, stop: asyncio.Event) -> None:
        """Return when asked to stop."""
        while not stop.is_set():
            self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    async def end(self) -> bool:
        """Stop at once; say whether nothing was left behind."""
        self.health.set_not_ready("stop", "stopping")
        complete = await asyncio.to_thread(self.worker.close, GRACE)
        if complete:
            log.info("stopped")
        else:
            log.error("a cycle did not stop within %g s; the archive stands, the next start clears up", GRACE)
        return complete

    def status(self) -> dict[str, object]:
        """Give what `/status` shows; called from other threads."""
        return {
            "program": "logcd",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "directory": str(self._settings.directory),
            "archive": str(self._compressor.names.archive(time.time(), self._settings.zone)),
            "last_cycle": self._compressor.last,
            "not_ready": self.health.not_ready_reasons(),
        }

    def _cycle(self) -> None:
        with suppress(BusyError):  # it was waited for until the end came
            self._compressor.cycle(self.worker.is_stopping, self.worker.pause)
        with suppress(RuntimeError):  # the loop did not wait for a cycle that hung
            self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        """Turn readiness on and off."""
        reasons = self._compressor.freshness.reasons()
        for name in REASONS:
            if name in reasons:
                self.health.set_not_ready(name, reasons[name])
            else:
                self.health.clear_not_ready(name)
        if not reasons and not self._is_ready:
            log.info("ready: %s", self._compressor.names.archive(time.time(), self._settings.zone))
        self._is_ready = not reasons
