"""The compressor as a daemon: HTTP pages, the thread that runs the cycles, and the shutdown."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from nodelog import __version__
from nodelogd.compressor.compressor import Compressor
from nodelogd.compressor.cycle_timer import CycleTimer
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

READINESS_INTERVAL: Final = 0.5  # seconds between two updates of the readiness, unless a cycle ends
GRACE: Final = 20.0  # seconds for a cycle to stop; it needs that long only on a disk that hangs


async def run_daemon(settings: Settings) -> int:
    """Update archives until SIGTERM or SIGINT; return the exit code: 1 if a cycle hung and was abandoned.

    Raises ListenError, or another OSError if a port cannot be opened.
    """
    daemon = Daemon(settings)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(handling_signals(daemon.timer.wake))
        pages = listen_on_all(stack, settings.http, "--http")
        await stack.enter_async_context(
            serving_pages(pages, daemon.health, daemon.metrics.registry, daemon.status)
        )
        log.info(
            "archives of %s go to %s every %g s; HTTP on %s",
            settings.directory,
            settings.out,
            settings.interval,
            ", ".join(map(address_of, pages)),
            extra={"http": [*map(address_of, pages)]},
        )
        daemon.timer.start()
        await daemon.run(stop)
        return 0 if await daemon.shut_down() else 1


class Daemon:
    """The parts of a compressor that runs until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        """Create everything that needs neither disk nor network."""
        self._settings = settings
        self._started = time.monotonic()
        self.metrics = Metrics()
        self.health = Health()
        self._compressor = Compressor(
            settings, self.metrics, f", next try in {settings.interval:g} s at the latest"
        )
        self._is_ready = False
        self._loop = asyncio.get_running_loop()
        self.timer = CycleTimer(self._run_cycle, settings.interval)
        self._update_readiness()

    async def run(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set."""
        while not stop.is_set():
            self._update_readiness()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), READINESS_INTERVAL)

    async def shut_down(self) -> bool:
        """Stop at once; return False if a cycle hangs and is abandoned."""
        self.health.set_not_ready("stop", "stopping")
        is_closed = await asyncio.to_thread(self.timer.close, GRACE)
        if is_closed:
            log.info("stopped")
        else:
            log.error(
                "a cycle did not stop within %g s and is abandoned; "
                "the archive is unchanged, the next start removes what is left",
                GRACE,
            )
        return is_closed

    def status(self) -> dict[str, object]:
        """Return what `/status` shows; called from other threads."""
        return {
            "program": "logcd",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "directory": str(self._settings.directory),
            "archive": str(self._compressor.current_archive()),
            "last_cycle": self._compressor.last_cycle,
            "not_ready": self.health.not_ready_reasons(),
        }

    def _run_cycle(self) -> None:
        with suppress(BusyError):  # it waited for the other process until the shutdown
            self._compressor.run_cycle(self.timer.is_stopping, self.timer.pause)
        with suppress(RuntimeError):  # the loop has ended without waiting for a cycle that hung
            self._loop.call_soon_threadsafe(self._update_readiness)

    def _update_readiness(self) -> None:
        """Copy the readiness of the compressor to the health page, and log when it becomes ready."""
        reasons = self._compressor.readiness.not_ready_reasons()
        for name in REASONS:
            if name in reasons:
                self.health.set_not_ready(name, reasons[name])
            else:
                self.health.clear_not_ready(name)
        if not reasons and not self._is_ready:
            log.info("ready: %s", self._compressor.current_archive())
        self._is_ready = not reasons
