"""A reader and its connections for tests: real sockets, and a writer that the test controls."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.acks import Acks
from nodelogd.collector.network.connection_factory import ConnectionFactory
from nodelogd.collector.network.connections import Connections
from nodelogd.collector.network.line_connection import LineConnection, LineLimits
from nodelogd.collector.network.memory_limit import MemoryLimit
from nodelogd.collector.network.reader import Reader
from nodelogd.collector.network.relp_clients import RelpClients
from nodelogd.collector.network.short_connections import AcceptedConnection
from nodelogd.collector.pipeline.arena import ArenaPool
from nodelogd.collector.pipeline.arena_exchange import ArenaExchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from prometheus_client import Counter

    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.pipeline.arena import Arena

PATIENCE = 20.0  # seconds
LINGER_RESET = struct.pack("ii", 1, 0)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return a blocking client socket and the non-blocking one that a collector accepts for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        accepted, _ = listener.accept()
    accepted.setblocking(False)
    return client, accepted


def reset(client: socket.socket) -> None:
    """Close a connection with a reset, as a program does that crashes with unread data."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    client.close()


def is_reset(client: socket.socket) -> bool:
    """Return True if the collector reset this connection rather than closed it."""
    try:
        client.recv(1)
    except ConnectionResetError:
        return True
    return False


def metric_value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return the value of a metric; 0 for a label that it does not have yet."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


def total(counter: Counter) -> int:
    """Return the sum of a counter over its labels."""
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    return sum(int(sample.value) for sample in samples if sample.name.endswith("_total"))


async def until(condition: Callable[[], object]) -> None:
    """Run the event loop until a condition holds; fail if it does not within PATIENCE."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {PATIENCE:g} s")
        await asyncio.sleep(0.001)


class ReaderHarness:
    """A reader in the running loop, its connections, and what it handed to the writer.

    Arenas are released at once unless `is_stuck` is set; then they are held until `release`.
    """

    def __init__(self, max_line: int = 1024 * 1024, unfinished_limit: int = 1024 * 1024) -> None:
        """Create all parts and start reading."""
        self.metrics = Metrics()
        self.limits = LineLimits(max_line)
        self.written = bytearray()
        self.batches: list[bytes] = []
        self.is_stuck = False
        self.most_held = 0  # bytes
        self._held_arenas: list[Arena] = []
        self._arenas = ArenaPool(self.limits.headroom, self._resume)
        self.durable: dict[bytes, int] = {}  # number of the last durable block of each stream
        self.forgotten: list[bytes] = []
        self.fences: list[bool] = []  # of each batch
        self.clients: RelpClients[RelpConnection] = RelpClients(
            lambda stream: self.durable.get(stream, 0), self.forgotten.append
        )
        self.connections = Connections(self.metrics, self.clients)
        self.factory = ConnectionFactory(
            limits=self.limits, metrics=self.metrics, clients=self.clients, connections=self.connections
        )
        self.acks = Acks(self.connections, self.clients, max_unsent=unfinished_limit // 4)
        exchange = ArenaExchange(asyncio.get_running_loop(), self._arenas, self._put)
        memory_limit = MemoryLimit(self.connections, exchange, unfinished_limit)
        self.reader = Reader(self.connections, self.acks, exchange, memory_limit, self.metrics)
        self._sockets: list[socket.socket] = []
        self.reader.resume()

    @property
    def has_held_arenas(self) -> bool:
        """True if the stuck writer holds arenas."""
        return bool(self._held_arenas)

    def connect(self) -> socket.socket:
        """Add a connection that sends lines; return the client's socket."""
        client, accepted = self._socket_pair()
        self.connections.add(LineConnection(accepted, b"", self.limits, self.metrics))
        return client

    def connect_undecided(self) -> socket.socket:
        """Add a connection whose protocol is not known yet; return the client's socket."""
        client, accepted = self._socket_pair()
        self.connections.add(self.factory.create(AcceptedConnection(accepted.detach(), client.getsockname())))
        return client

    def byte_totals(self) -> tuple[int, int]:
        """Return the bytes that came in and those that are accounted for. They must be equal."""
        metrics = self.metrics
        came_in = total(metrics.received) + total(metrics.added)
        left = total(metrics.dropped) + total(metrics.overhead)
        return came_in, len(self.written) + self.reader.held_bytes + left

    async def all_closed(self) -> None:
        """Wait until all connections are closed and the writer has all that they sent."""
        await until(lambda: not self.connections)
        await self.reader.flush()

    def held_receipts(self) -> Mapping[Any, int]:
        """Return the receipts of the first batch that the stuck writer holds."""
        return self._held_arenas[0].receipts

    def release(self, count: int = 2) -> None:
        """Release up to `count` arenas that the stuck writer holds."""
        for arena in self._held_arenas[:count]:
            self._held_arenas.remove(arena)
            self._store(arena)

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric."""
        return metric_value(self.metrics, name, **labels)

    def close(self) -> None:
        """Close everything."""
        if not self.connections.epoll.closed:
            self.reader.stop()
            self.connections.close_all()
        for sock in self._sockets:
            sock.close()

    def _resume(self) -> None:
        self.reader.resume()

    def _socket_pair(self) -> tuple[socket.socket, socket.socket]:
        client, accepted = tcp_pair()
        self._sockets += [client, accepted]
        return client, accepted

    def _put(self, arena: Arena) -> None:
        self.most_held = max(self.most_held, self.reader.held_bytes)
        self.fences.append(arena.fence)
        if arena.end:
            self.batches.append(bytes(arena.view[: arena.end]))
            self.written += self.batches[-1]
        self._arenas.note_written(arena.end)
        if self.is_stuck:
            self._held_arenas.append(arena)
        else:
            self._store(arena)

    def _store(self, arena: Arena) -> None:
        self.durable |= arena.last_blocks
        receipts: Mapping[Any, int] = arena.receipts
        self.acks.queue(receipts)
        asyncio.get_running_loop().call_soon(self.acks.send)
        self._arenas.release(arena)
