"""The lifecycle of logd: what is opened in which order, and how it shuts down.

First the sockets, so that a client that connects during startup waits in the backlog; then HTTP, so that
`/readyz` says what the start waits for; then the lock; then the writer, which recovers the log. At shutdown
the listener closes first, then the connections are drained, then the writer finishes. HTTP serves until the
end, and the lock is held until the process exits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from nodelog import __version__
from nodelogd.collector.network.drain import drain
from nodelogd.collector.network.listener import Listener, ListeningSockets
from nodelogd.collector.network.timeouts.idle_timeout import close_idle, close_unopened
from nodelogd.collector.settings import FramedAddress
from nodelogd.collector.store.log_lock import acquire_lock
from nodelogd.collector.wiring import Wiring
from nodelogd.service.http_server import serving_pages
from nodelogd.service.listening_sockets import address_of, listen_on_all
from nodelogd.service.signals import handling_signals

if TYPE_CHECKING:
    import socket

    from nodelogd.collector.network.framing.decoders import Framing
    from nodelogd.collector.settings import Settings

log = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0  # seconds
SLOW_WRITE = 2.0  # seconds; a write that takes longer is a reason not to be ready


async def collect(settings: Settings) -> int:
    """Run a collector until SIGTERM or SIGINT; return the exit code: 1 if lines were not written or synced.

    Raises ListenError, LockedError, or another OSError that only an operator can fix.
    """
    collector = Collector(settings)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(handling_signals(collector.rotate))
        lines, framings = _listen_for_lines(stack, settings)
        relp = listen_on_all(stack, settings.relp_listen, "--relp-listen")
        pages = listen_on_all(stack, settings.http, "--http")
        await stack.enter_async_context(
            serving_pages(pages, collector.wiring.health, collector.wiring.metrics.registry, collector.status)
        )
        log.info(
            "listening on %s; HTTP on %s",
            ", ".join(map(address_of, [*lines, *relp])),
            ", ".join(map(address_of, pages)),
            extra={
                "listen": [*map(address_of, lines)],
                "relp": [*map(address_of, relp)],
                "http": [*map(address_of, pages)],
            },
        )
        # Held until the process ends: a write may still hang in the kernel then, and ends with it too.
        await acquire_lock(collector.wiring.names.lock, settings.grace, stop, collector.report_wait)
        collector.start(ListeningSockets(lines, relp, framings))
        try:
            await collector.run(stop)
        finally:
            complete = await collector.shut_down()
    return 0 if complete else 1


def _listen_for_lines(
    stack: AsyncExitStack, settings: Settings
) -> tuple[list[socket.socket], dict[socket.socket, Framing]]:
    """Open the sockets of `--listen`; also return the framings of those that have one of their own."""
    lines: list[socket.socket] = []
    framings: dict[socket.socket, Framing] = {}
    for address in settings.listen:
        opened = listen_on_all(stack, [address], "--listen")
        lines += opened
        if isinstance(address, FramedAddress):
            framings |= dict.fromkeys(opened, address.framing)
    return lines, framings


class Collector:
    """A collector from its start to its shutdown."""

    def __init__(self, settings: Settings) -> None:
        """Use neither disk nor network yet."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._started = time.monotonic()
        self.wiring = Wiring(settings)
        self._health = self.wiring.health

    def start(self, sockets: ListeningSockets) -> None:
        """Start the recovery of the log and accept connections. They are read once the log is open."""
        wiring = self.wiring
        self._listener = Listener(
            sockets,
            wiring.reader,
            wiring.connection_factory,
            wiring.metrics,
            max_connections=self._settings.max_connections,
        )
        self._health.set_not_ready("start", f"opening {wiring.names.log}")
        wiring.writer.start()
        self._listener.start()

    async def run(self, stop: asyncio.Event) -> None:
        """Wait until `stop` is set. Raises OSError if the log cannot be opened."""
        stopped = asyncio.ensure_future(stop.wait())
        watched: list[asyncio.Future[Any]] = [stopped, self.wiring.opened]
        while not stop.is_set():
            done, _ = await asyncio.wait(watched, timeout=CHECK_INTERVAL, return_when=asyncio.FIRST_COMPLETED)
            if self.wiring.opened in done:
                self.wiring.opened.result()
                watched.remove(self.wiring.opened)
            self._check_health()

    async def shut_down(self) -> bool:
        """Read, write and sync what was sent, within the grace; return True if all of it was done in time."""
        wiring, grace = self.wiring, self._settings.grace
        end = self._loop.time() + grace
        self._health.set_not_ready("stop", "stopping")
        self._listener.close()
        if wiring.connections:  # a client that sent and closed during the start believes that it succeeded
            await asyncio.wait([wiring.opened], timeout=grace)
        if wiring.opened.done() and not wiring.opened.exception():
            complete = await self._drain_and_write(end)
        else:
            complete = not wiring.connections
            self._log_unread()
        wiring.reader.stop()
        wiring.connections.close_all()
        wiring.unfinished_lines.report_stop()
        await asyncio.to_thread(wiring.retention.close, 1.0)
        log.info("stopped")
        return complete

    async def _drain_and_write(self, end: float) -> bool:
        wiring, complete = self.wiring, True
        try:
            async with asyncio.timeout_at(end):
                await drain(
                    wiring.reader, wiring.clients, min(self._settings.linger, self._settings.grace / 2)
                )
        except TimeoutError:
            complete = False
        complete &= await asyncio.to_thread(wiring.writer.close, max(0.0, end - self._loop.time()))
        if not complete:
            self._log_incomplete()
        return complete

    def _log_unread(self) -> None:
        if unread := len(self.wiring.connections):
            text = "cannot open %s within the grace of %g s; %d connections are reset unread"
            log.error(text, self.wiring.names.log, self._settings.grace, unread)

    def _log_incomplete(self) -> None:
        grace = self._settings.grace
        if held := self.wiring.held_bytes():
            text = "cannot write %d bytes that were received within the grace of %g s; they are lost"
            log.error(text, held, grace)
        else:
            text = "cannot sync %s within the grace of %g s; it is written, but a power failure may undo that"
            log.error(text, self.wiring.names.log, grace)

    def rotate(self) -> None:
        """Seal the log file now and start a new one (SIGHUP)."""
        self.wiring.writer.rotate()

    def report_wait(self, text: str) -> None:
        """Log what the start waits for and show it in `/readyz`."""
        log.warning(text)
        self._health.set_not_ready("start", text)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows. Thread-safe."""
        wiring = self.wiring
        return {
            "program": "logd",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "log": str(wiring.names.log),
            "connections": len(wiring.connections),
            "held_bytes": wiring.held_bytes(),
            "buffer_bytes": self._settings.buffer,
            "busiest_clients": wiring.clients.busiest(),
            "not_ready": self._health.not_ready_reasons(),
            "degraded": self._health.degraded_reasons(),
        }

    def _check_health(self) -> None:
        """Check once a second what no event reports: stalled writes, and connections that are too silent."""
        wiring = self.wiring
        wiring.reader.count_pause()
        waiting = wiring.writer.seconds_stuck()
        if waiting > SLOW_WRITE:
            self._health.set_not_ready(
                "stall",
                f"a write to {wiring.names.log} has been waiting for {waiting:.0f} s; "
                "reading is paused, nothing is lost",
            )
        else:
            self._health.clear_not_ready("stall")
        wiring.unfinished_lines.check()
        wiring.dead_peers.check()
        close_unopened(wiring.reader, wiring.clients)
        if self._settings.idle_timeout is not None:
            close_idle(wiring.reader, self._settings.idle_timeout)
