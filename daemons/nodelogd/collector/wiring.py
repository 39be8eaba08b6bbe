"""Creates the parts of a collector and connects them: arenas, receipts and events pass between them here."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.acks import Acks
from nodelogd.collector.network.connection_factory import ConnectionFactory
from nodelogd.collector.network.connections import Connections
from nodelogd.collector.network.line_connection import LineLimits
from nodelogd.collector.network.memory_limit import MemoryLimit
from nodelogd.collector.network.reader import Reader
from nodelogd.collector.network.relp_clients import RelpClients
from nodelogd.collector.network.timeouts.dead_peers import DeadPeers
from nodelogd.collector.network.unfinished_lines import UnfinishedLines
from nodelogd.collector.pipeline.arena import ARENA_SIZE, ArenaPool
from nodelogd.collector.pipeline.arena_exchange import ArenaExchange
from nodelogd.collector.pipeline.disk_errors import DiskErrors
from nodelogd.collector.pipeline.sync_schedule import SyncMode
from nodelogd.collector.pipeline.writer import Writer, WriterReports
from nodelogd.collector.sealed.retention import Retention
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreNeighbours
from nodelogd.service.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.settings import Settings

log = logging.getLogger(__name__)

# Divisors: unfinished lines and frames get a quarter of --buffer, and buffers of long lines up to twice that;
# responses that peers do not read get a quarter of that quarter; batches that wait for a sync get
# a quarter of --buffer.
UNFINISHED_PART = 4
UNSENT_PART = 4
SPARE_PART = 4


class Wiring:
    """The parts of one collector. Nothing happens in them until the writer is started."""

    def __init__(self, settings: Settings) -> None:
        """Create what needs neither disk nor network."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()  # the log is open, or an OSError
        self.names = FileNames.resolve(settings.log)
        self.metrics = Metrics()
        self.health = Health()
        self.health.set_not_ready("start", "starting")
        limits = LineLimits(settings.max_line, stamp=settings.stamp)
        self.retention = Retention(self.names, settings.keep, self.metrics)
        self._arenas = ArenaPool(
            limits.headroom,
            partial(self._in_loop, self._on_release),
            spare=settings.buffer // SPARE_PART // ARENA_SIZE if settings.sync.mode is SyncMode.BATCH else 0,
        )
        self.writer = Writer(
            self._open_store,
            self._arenas,
            settings.sync,
            WriterReports(
                metrics=self.metrics,
                on_open=partial(self._in_loop, self._on_open),
                on_stored=self._on_stored,
                on_file_closed=self.retention.wake,
            ),
            DiskErrors(self.names.log, self.metrics, self.health),
        )
        self.clients: RelpClients[RelpConnection] = RelpClients(
            self.writer.last_durable_block, self.writer.forget
        )
        unfinished = max(settings.buffer // UNFINISHED_PART, limits.largest_frame)
        self.connections = Connections(self.metrics, self.clients)
        self.dead_peers = DeadPeers(self.connections)
        self.unfinished_lines = UnfinishedLines(self.connections, self.metrics)
        self.connection_factory = ConnectionFactory(
            limits=limits, metrics=self.metrics, clients=self.clients, connections=self.connections
        )
        self._acks = Acks(self.connections, self.clients, max_unsent=unfinished // UNSENT_PART)
        exchange = ArenaExchange(self._loop, self._arenas, self.writer.put)
        memory_limit = MemoryLimit(self.connections, exchange, unfinished)
        self.reader = Reader(self.connections, self._acks, exchange, memory_limit, self.metrics)
        self.metrics.buffer.set(settings.buffer)
        self.metrics.held.set_function(self.held_bytes)

    def held_bytes(self) -> int:
        """Return the number of bytes received but not yet written. Thread-safe."""
        return self.reader.held_bytes + self._arenas.unwritten

    def _open_store(self, close_file: Callable[[int], None]) -> LogStore:
        """Free disk space, then recover the log; called in the writer's thread."""
        for path in self.names.leftovers():
            path.unlink(missing_ok=True)
        self.retention.enforce_budget()
        neighbours = StoreNeighbours(
            close_file=close_file,
            is_connected=self.clients.by_stream.__contains__,
            health=self.health,
        )
        return LogStore(self.names, self._settings.store, self.metrics, neighbours)

    def _on_open(self, error: OSError | None = None) -> None:
        if error:
            self.opened.set_exception(error)
            return
        self.opened.set_result(None)
        self.retention.start()
        self.reader.resume()
        self.health.clear_not_ready("start")
        log.info("ready: lines go to %s", self.names.log)

    def _on_release(self) -> None:
        self.reader.resume()

    def _on_stored(self, receipts: Mapping[Any, int]) -> None:  # all owners are RelpConnections
        self._acks.queue(receipts)
        self._in_loop(self._acks.send)

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has ended; nothing is left to call
            self._loop.call_soon_threadsafe(call, *arguments)
