"""Connections and arenas for tests of the network side: real sockets, and a writer that a test drives."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.network.acks import Acks
from nodelogd.collector.network.connection_factory import ConnectionFactory
from nodelogd.collector.network.connections import Connections
from nodelogd.collector.network.line_connection import LineConnection, LineLimits
from nodelogd.collector.network.memory_limit import MemoryLimit
from nodelogd.collector.network.reader import Reader
from nodelogd.collector.network.relp_clients import RelpClients
from nodelogd.collector.pipeline.arena import ArenaPool
from nodelogd.collector.pipeline.arena_exchange import ArenaExchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import Counter

    from nodelogd.collector.network.relp_connection import RelpConnection
    from nodelogd.collector.pipeline.arena import Arena

PATIENCE = 20.0  # seconds
RESET = struct.pack("ii", 1, 0)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Give a client, blocking, and what a collector accepts of it, non-blocking."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        accepted, _ = listener.accept()
    accepted.setblocking(False)
    return client, accepted


def reset(client: socket.socket) -> None:
    """Close a connection as a program does that crashes with data unread."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def is_reset(client: socket.socket) -> bool:
    """Say whether the collector reset this connection, rather than closed it."""
    try:
        client.recv(1)
    except ConnectionResetError:
        return True
    return False


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Give what was counted; 0 for a label that was not seen yet."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


def total(counter: Counter) -> int:
    """Give the sum of a counter over its labels."""
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    return sum(int(sample.value) for sample in samples if sample.name.endswith("_total"))


async def until(fact: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    end = time.monotonic() + PATIENCE
    while not fact():
        if time.monotonic() > end:
            pytest.fail(f"not within {PATIENCE:g} s")
        await asyncio.sleep(0.001)


class Wired:
    """An intake in the running loop, its connections, and what it gave to the writer.

    Arenas go back at once unless `stuck` is set; then they are kept until `give_back`.
    """

    def __init__(self, max_line: int = 1024 * 1024, unfinished_limit: int = 1024 * 1024) -> None:
        """Put it together; it reads at once."""
        self.metrics = Metrics()
        self.limits = LineLimits(max_line)
        self.written = bytearray()
        self.batches: list[bytes] = []
        self.stuck = False
        self.most_held = 0  # bytes
        self._kept: list[Arena] = []
        self._arenas = ArenaPool(self.limits.headroom, self._resume)
        self.durable: dict[bytes, int] = {}  # what the store has of each stream
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
        handover = ArenaExchange(asyncio.get_running_loop(), self._arenas, self._put)
        memory_limit = MemoryLimit(self.connections, handover, unfinished_limit)
        self.reader = Reader(self.connections, self.acks, handover, memory_limit, self.metrics)
        self._sockets: list[socket.socket] = []
        self.reader.resume()

    @property
    def paused(self) -> bool:
        """Say whether it has stopped reading."""
        return self.reader.is_paused

    @property
    def keeps(self) -> bool:
        """Say whether the stuck writer has arenas."""
        return bool(self._kept)

    def connect(self) -> socket.socket:
        """Add a connection that sends lines; give the client's side."""
        client, accepted = self._pair()
        self.connections.add(LineConnection(accepted, b"", self.limits, self.metrics))
        return client

    def connect_undecided(self) -> socket.socket:
        """Add a connection of which is not known what it sends; give the client's side."""
        client, accepted = self._pair()
        self.connections.add(self.factory.create(accepted, client.getsockname(), relp_only=False))
        return client

    def ledger(self) -> tuple[int, int]:
        """Give the bytes that came in and those that are accounted for; they are the same."""
        metrics = self.metrics
        known = len(self.written) + self.reader.held_bytes + total(metrics.dropped) + total(metrics.overhead)
        return total(metrics.received) + total(metrics.added), known

    async def all_closed(self) -> None:
        """Return when all connections have ended and the writer has what they brought."""
        await until(lambda: not self.connections)
        await self.reader.flush()

    def kept_receipts(self) -> Mapping[RelpConnection, int]:
        """Give the receipts of the first batch that the stuck writer has."""
        receipts: Mapping[Any, int] = self._kept[0].receipts
        return receipts

    def give_back(self, count: int = 2) -> None:
        """Have the writer give back arenas it was stuck with."""
        for arena in self._kept[:count]:
            self._kept.remove(arena)
            self._return(arena)

    def count(self, name: str, **labels: str) -> float:
        """Give a metric."""
        return value(self.metrics, name, **labels)

    def close(self) -> None:
        """Close everything."""
        if not self.connections.epoll.closed:
            self.reader.stop()
            self.connections.close_all()
        for sock in self._sockets:
            sock.close()

    def _resume(self) -> None:
        self.reader.resume()

    def _pair(self) -> tuple[socket.socket, socket.socket]:
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
        if self.stuck:
            self._kept.append(arena)
        else:
            self._return(arena)

    def _return(self, arena: Arena) -> None:
        self.durable |= arena.last_blocks
        receipts: Mapping[Any, int] = arena.receipts
        self.acks.queue(receipts)
        asyncio.get_running_loop().call_soon(self.acks.send)
        self._arenas.release(arena)
