"""The parts of a collector, and what one hands to the other: bytes, arenas, receipts, and news of the log."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.acks import Answers
from nodelogd.collector.network.connections import Connections
from nodelogd.collector.network.line_connection import Limits
from nodelogd.collector.network.reader import Intake
from nodelogd.collector.network.relp_clients import Clients
from nodelogd.collector.pipeline.arena import FULL, Arenas
from nodelogd.collector.pipeline.writer import Writer
from nodelogd.collector.pipeline.writer_commands import Mode
from nodelogd.collector.sealed.retention import Keeper
from nodelogd.collector.store.file_names import Names
from nodelogd.collector.store.log_store import Store
from nodelogd.service.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.network.relp_connection import Relp
    from nodelogd.collector.settings import Settings

log = logging.getLogger(__name__)

UNFINISHED = 4  # this part of --buffer may be unfinished lines and frames; buffers of lines take twice that
UNSENT = 4  # this part of that may be answers that nobody takes
SPARE = 4  # this part of --buffer may be batches that wait for a sync


class Parts:
    """Nothing goes on between them until the writer is started."""

    def __init__(self, settings: Settings) -> None:
        """Put together what needs neither disk nor network."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()  # the log is; or what is wrong with it
        self.names = Names.of(settings.log)
        self.metrics = Metrics()
        self.health = Health()
        self.health.not_ready("start", "starting")
        self.limits = Limits(settings.max_line, stamp_lines=settings.stamp)
        self.keeper = Keeper(self.names, settings.keep, self.metrics)
        self._arenas = Arenas(
            self.limits.room,
            partial(self._in_loop, self._on_return),
            spare=settings.buffer // SPARE // FULL if settings.sync.mode is Mode.BATCH else 0,
        )
        self.writer = Writer(
            self.names.log,
            self._open_store,
            self._arenas,
            settings.sync,
            metrics=self.metrics,
            health=self.health,
            on_open=partial(self._in_loop, self._on_open),
            on_stored=self._on_stored,
            on_finished_file=self.keeper.wake,
        )
        self.clients = Clients(self.writer.durable, self.writer.forget)
        unfinished = max(settings.buffer // UNFINISHED, self.limits.largest_frame)
        self.connections = Connections(self.metrics, self.clients)
        self._answers = Answers(self.connections, self.clients, most_unsent=unfinished // UNSENT)
        self.intake = Intake(
            self._loop,
            self.connections,
            self._answers,
            self._arenas,
            self.writer.put,
            self.metrics,
            unfinished_limit=unfinished,
        )
        self.metrics.buffer.set(settings.buffer)
        self.metrics.held.set_function(self.held)

    def held(self) -> int:
        """Give the bytes that were received and are not written yet; for any thread."""
        return self.intake.held + self._arenas.handed

    def _open_store(self, on_left: Callable[[int], None]) -> Store:
        """Make room first, then recover; in the writer's thread."""
        for path in self.names.leftovers():
            path.unlink(missing_ok=True)
        self.keeper.retain()
        is_connected = self.clients.connected.__contains__
        return Store(self.names, self._settings.store, self.metrics, on_left, is_connected)

    def _on_open(self, error: OSError | None = None) -> None:
        if error:
            self.opened.set_exception(error)
            return
        self.opened.set_result(None)
        self.keeper.start()
        self.intake.resume()
        self.health.ready("start")
        log.info("ready: lines go to %s", self.names.log)

    def _on_return(self) -> None:
        self.intake.resume()

    def _on_stored(self, receipts: Mapping[Relp, int]) -> None:
        self._answers.note_stored(receipts)
        self._in_loop(self._answers.give)

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and so has what would be called
            self._loop.call_soon_threadsafe(call, *arguments)
