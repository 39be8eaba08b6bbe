"""The whole of logd: what is opened in which order, and how it ends.

First the sockets, so that a client that connects while we start waits in the backlog; then HTTP, so that
`/readyz` says what we wait for; then the lock, then the writer with its recovery. The end goes the other
way round.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from nodelog import __version__
from nodelogd.collector.network.drain import farewell
from nodelogd.collector.network.idle_timeout import close_idle, close_undecided
from nodelogd.collector.network.listener import Door
from nodelogd.collector.store.log_lock import locked
from nodelogd.collector.wiring import Parts
from nodelogd.service.http_server import reporting
from nodelogd.service.lifecycle import signals
from nodelogd.service.listening_sockets import listening_all, shown

if TYPE_CHECKING:
    import socket

    from nodelogd.collector.settings import Settings

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds
SLOW = 2.0  # seconds; a write that takes longer is a reason not to be ready


async def collect(settings: Settings) -> int:
    """Run a collector until SIGTERM or SIGINT; give the exit code: 1 if lines were not written or synced.

    Raises ListenError, LockedError, or another OSError for what only an operator can mend.
    """
    collector = Collector(settings)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(signals(collector.turn_over))
        lines = listening_all(stack, settings.listen, "--listen")
        relp = listening_all(stack, settings.relp_listen, "--relp-listen")
        pages = listening_all(stack, settings.http, "--http")
        await stack.enter_async_context(
            reporting(pages, collector.parts.health, collector.parts.metrics.registry, collector.status)
        )
        log.info(
            "listening on %s; HTTP on %s",
            ", ".join(map(shown, [*lines, *relp])),
            ", ".join(map(shown, pages)),
            extra={
                "listen": [*map(shown, lines)],
                "relp": [*map(shown, relp)],
                "http": [*map(shown, pages)],
            },
        )
        # Never let go of: at the end a write may still hang in the kernel, and dies, like the lock, with us.
        await locked(collector.parts.names.lock, settings.grace, stop, collector.note_wait)
        collector.start(lines, relp)
        try:
            await collector.run(stop)
        finally:
            complete = await collector.end()
    return 0 if complete else 1


class Collector:
    """A collector from its start to its end."""

    def __init__(self, settings: Settings) -> None:
        """Need neither disk nor network so far."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._started = time.monotonic()
        self.parts = Parts(settings)
        self._health = self.parts.health

    def start(self, sockets: list[socket.socket], relp_sockets: list[socket.socket]) -> None:
        """Recover the log and accept connections; they are read once the log is open."""
        parts = self.parts
        self._door = Door(
            self._loop,
            sockets,
            relp_sockets,
            parts.connections,
            parts.limits,
            parts.metrics,
            parts.clients,
            max_connections=self._settings.max_connections,
        )
        self._health.not_ready("start", f"opening {parts.names.log}")
        parts.writer.start()
        self._door.open()

    async def run(self, stop: asyncio.Event) -> None:
        """Return when asked to stop. Raises OSError if the log cannot be opened, now or later."""
        stopped = asyncio.ensure_future(stop.wait())
        watched: list[asyncio.Future[Any]] = [stopped, self.parts.opened]
        while not stop.is_set():
            done, _ = await asyncio.wait(watched, timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
            if self.parts.opened in done:
                self.parts.opened.result()
                watched.remove(self.parts.opened)
            self._look()

    async def end(self) -> bool:
        """Take what was sent, write and sync it, all within the grace; say whether that was done."""
        parts, grace = self.parts, self._settings.grace
        end = self._loop.time() + grace
        self._health.not_ready("stop", "stopping")
        complete = True
        self._door.close()
        if parts.connections:  # who sent and closed while we start has succeeded in its own eyes
            await asyncio.wait([parts.opened], timeout=grace)
        if parts.opened.done() and not parts.opened.exception():
            try:
                async with asyncio.timeout_at(end):
                    await farewell(parts.intake, parts.clients, min(self._settings.linger, grace / 2))
            except TimeoutError:
                complete = False
            complete &= await asyncio.to_thread(parts.writer.close, max(0.0, end - self._loop.time()))
            if not complete:
                self._say_what_is_lost()
        elif unread := len(parts.connections):
            complete = False
            log.error(
                "cannot open %s within the grace of %g s; %d connections are reset unread",
                parts.names.log,
                grace,
                unread,
            )
        parts.intake.stop()
        parts.connections.dispose()
        await asyncio.to_thread(parts.keeper.close, 1.0)
        log.info("stopped")
        return complete

    def _say_what_is_lost(self) -> None:
        parts, grace = self.parts, self._settings.grace
        if held := parts.held():
            log.error(
                "cannot write %d bytes that were received within the grace of %g s; they are lost",
                held,
                grace,
            )
        else:
            log.error(
                "cannot sync %s within the grace of %g s; it is written, a power failure may undo that",
                parts.names.log,
                grace,
            )

    def turn_over(self) -> None:
        """Seal the log now (SIGHUP)."""
        self.parts.writer.turn_over()

    def note_wait(self, text: str) -> None:
        """Say what the start waits for."""
        log.warning(text)
        self._health.not_ready("start", text)

    def status(self) -> dict[str, object]:
        """Give what `/status` shows; called from other threads."""
        parts = self.parts
        return {
            "program": "logd",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "log": str(parts.names.log),
            "connections": len(parts.connections),
            "held_bytes": parts.held(),
            "buffer_bytes": self._settings.buffer,
            "busiest_clients": parts.clients.busiest(),
            "not_ready": self._health.reasons(),
        }

    def _look(self) -> None:
        """Once a second, after what nobody reports."""
        parts = self.parts
        parts.intake.account_for_pause()
        waiting = parts.writer.waiting()
        if waiting > SLOW:
            self._health.not_ready(
                "stall",
                f"a write to {parts.names.log} has been waiting for {waiting:.0f} s; "
                "reading is paused, nothing is lost",
            )
        else:
            self._health.ready("stall")
        close_undecided(parts.intake, parts.clients)
        if self._settings.idle_timeout is not None:
            close_idle(parts.intake, self._settings.idle_timeout)
