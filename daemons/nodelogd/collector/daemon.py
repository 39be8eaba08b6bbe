"""The whole of logd: what is opened in which order, and how it ends.

First the sockets, so that a client that connects while we start waits in the backlog; then HTTP, so that
`/readyz` says what we wait for; then the lock, then the writer with its recovery. The end goes the other
way round.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from nodelog import __version__
from nodelogd.collector.answers import Answers
from nodelogd.collector.arena import FULL, Arenas
from nodelogd.collector.clients import Clients
from nodelogd.collector.connections import Connections
from nodelogd.collector.door import Door
from nodelogd.collector.farewell import farewell
from nodelogd.collector.intake import Intake
from nodelogd.collector.keeper import Keeper
from nodelogd.collector.lines import Limits
from nodelogd.collector.lock import locked
from nodelogd.collector.metrics import Metrics
from nodelogd.collector.names import Names
from nodelogd.collector.orders import Mode
from nodelogd.collector.silence import close_idle, close_undecided
from nodelogd.collector.store import Store
from nodelogd.collector.writer import Writer
from nodelogd.health import Health
from nodelogd.http import reporting
from nodelogd.lifecycle import signals
from nodelogd.sockets import listening_all, shown

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from nodelogd.collector.relp import Relp
    from nodelogd.collector.settings import Settings

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds
UNFINISHED = 4  # this part of --buffer may be unfinished lines and frames; buffers of lines take twice that
UNSENT = 4  # this part of that may be answers that nobody takes
SPARE = 4  # this part of --buffer may be batches that wait for a sync
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
            reporting(pages, collector.health, collector.metrics.registry, collector.status)
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
        await locked(collector.names.lock, settings.grace, stop, collector.note_wait)
        collector.start(lines, relp)
        try:
            await collector.run(stop)
        finally:
            complete = await collector.end()
    return 0 if complete else 1


class Collector:
    """The parts of a collector, and what goes on between them."""

    def __init__(self, settings: Settings) -> None:
        """Put together what needs neither disk nor network."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._started = time.monotonic()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self.names = Names.of(settings.log)
        self.metrics = Metrics()
        self.health = Health()
        self.health.not_ready("start", "starting")
        self._limits = Limits(settings.max_line, stamp_lines=settings.stamp)
        self._keeper = Keeper(self.names, settings.keep, self.metrics)
        self._arenas = Arenas(
            self._limits.room,
            partial(self._in_loop, self._resume),
            spare=settings.buffer // SPARE // FULL if settings.sync.mode is Mode.BATCH else 0,
        )
        self._writer = Writer(
            self.names.log,
            self._open_store,
            self._arenas,
            settings.sync,
            metrics=self.metrics,
            health=self.health,
            on_open=partial(self._in_loop, self._on_open),
            on_stored=self._on_stored,
            on_finished_file=self._keeper.wake,
        )
        self.clients = Clients(self._writer.durable, self._writer.forget)
        unfinished = max(settings.buffer // UNFINISHED, self._limits.largest_frame)
        self._connections = Connections(self.metrics, self.clients)
        self._answers = Answers(self._connections, self.clients, most_unsent=unfinished // UNSENT)
        self._intake = Intake(
            self._loop,
            self._connections,
            self._answers,
            self._arenas,
            self._writer.put,
            self.metrics,
            unfinished_limit=unfinished,
        )
        self.metrics.buffer.set(settings.buffer)
        self.metrics.held.set_function(self._held)

    def start(self, sockets: list[socket.socket], relp_sockets: list[socket.socket]) -> None:
        """Recover the log and accept connections; they are read once the log is open."""
        self._door = Door(
            self._loop,
            sockets,
            relp_sockets,
            self._connections,
            self._limits,
            self.metrics,
            self.clients,
            max_connections=self._settings.max_connections,
        )
        self.health.not_ready("start", f"opening {self.names.log}")
        self._writer.start()
        self._door.open()

    async def run(self, stop: asyncio.Event) -> None:
        """Return when asked to stop. Raises OSError if the log cannot be opened, now or later."""
        stopped = asyncio.ensure_future(stop.wait())
        watched: list[asyncio.Future[Any]] = [stopped, self._opened]
        while not stop.is_set():
            done, _ = await asyncio.wait(watched, timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
            if self._opened in done:
                self._opened.result()
                watched.remove(self._opened)
            self._look()

    async def end(self) -> bool:
        """Take what was sent, write and sync it, all within the grace; say whether that was done."""
        grace = self._settings.grace
        end = self._loop.time() + grace
        self.health.not_ready("stop", "stopping")
        complete = True
        self._door.close()
        if self._connections:  # who sent and closed while we start has succeeded in its own eyes
            await asyncio.wait([self._opened], timeout=grace)
        if self._opened.done() and not self._opened.exception():
            try:
                async with asyncio.timeout_at(end):
                    await farewell(self._intake, self.clients, min(self._settings.linger, grace / 2))
            except TimeoutError:
                complete = False
            complete &= await asyncio.to_thread(self._writer.close, max(0.0, end - self._loop.time()))
            if not complete:
                self._say_what_is_lost()
        elif unread := len(self._connections):
            complete = False
            log.error(
                "cannot open %s within the grace of %g s; %d connections are reset unread",
                self.names.log,
                grace,
                unread,
            )
        self._intake.stop()
        self._connections.dispose()
        await asyncio.to_thread(self._keeper.close, 1.0)
        log.info("stopped")
        return complete

    def _say_what_is_lost(self) -> None:
        grace = self._settings.grace
        if held := self._held():
            log.error(
                "cannot write %d bytes that were received within the grace of %g s; they are lost",
                held,
                grace,
            )
        else:
            log.error(
                "cannot sync %s within the grace of %g s; it is written, a power failure may undo that",
                self.names.log,
                grace,
            )

    def turn_over(self) -> None:
        """Seal the log now (SIGHUP)."""
        self._writer.turn_over()

    def note_wait(self, text: str) -> None:
        """Say what the start waits for."""
        log.warning(text)
        self.health.not_ready("start", text)

    def status(self) -> dict[str, object]:
        """Give what `/status` shows; called from other threads."""
        return {
            "program": "logd",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "log": str(self.names.log),
            "connections": len(self._connections),
            "held_bytes": self._held(),
            "buffer_bytes": self._settings.buffer,
            "busiest_clients": self.clients.busiest(),
            "not_ready": self.health.reasons(),
        }

    def _held(self) -> int:
        return self._intake.held + self._arenas.handed

    def _open_store(self, on_left: Callable[[int], None]) -> Store:
        """Make room first, then recover; in the writer's thread."""
        for path in self.names.leftovers():
            path.unlink(missing_ok=True)
        self._keeper.retain()
        is_connected = self.clients.connected.__contains__
        return Store(self.names, self._settings.store, self.metrics, on_left, is_connected)

    def _on_open(self, error: OSError | None = None) -> None:
        if error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        self._keeper.start()
        self._intake.resume()
        self.health.ready("start")
        log.info("ready: lines go to %s", self.names.log)

    def _resume(self) -> None:
        self._intake.resume()

    def _on_stored(self, receipts: Mapping[Relp, int]) -> None:
        self._answers.note_stored(receipts)
        self._in_loop(self._answers.give)

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and so has what would be called
            self._loop.call_soon_threadsafe(call, *arguments)

    def _look(self) -> None:
        """Once a second, after what nobody reports."""
        self._intake.account_for_pause()
        waiting = self._writer.waiting()
        if waiting > SLOW:
            self.health.not_ready(
                "stall",
                f"a write to {self.names.log} has been waiting for {waiting:.0f} s; "
                "reading is paused, nothing is lost",
            )
        else:
            self.health.ready("stall")
        close_undecided(self._intake, self.clients)
        if self._settings.idle_timeout is not None:
            close_idle(self._intake, self._settings.idle_timeout)
