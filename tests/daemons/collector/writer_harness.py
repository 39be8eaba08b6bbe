"""A running writer, fed the way the event loop feeds it, and failing disks."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.faults.os_calls import intercept_os_calls
from tests.waiting import PATIENCE

from nodelogd.collector.metrics import Metrics
from nodelogd.collector.pipeline.arena import ArenaPool
from nodelogd.collector.pipeline.disk_errors import DiskErrors
from nodelogd.collector.pipeline.sync_schedule import SyncPolicy
from nodelogd.collector.pipeline.writer import Writer, WriterReports
from nodelogd.collector.store.file_names import FileNames
from nodelogd.collector.store.log_store import LogStore, StoreNeighbours, StoreSettings
from nodelogd.service.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from nodelogd.collector.pipeline.arena import Receipts


STREAM = b"stream number 1."
OTHER = b"stream number 2."


class Bench:
    """A running writer, fed the way the event loop feeds it."""

    def __init__(
        self,
        log: Path,
        policy: SyncPolicy,
        spare: int = 0,
        on_open: Callable[[OSError | None], None] | None = None,
    ) -> None:
        """Start the writer, with up to `spare` more arenas."""
        self.log = log
        self.metrics, self.health = Metrics(), Health()
        self.owner = object()  # opaque to the writer
        self.released = threading.Event()
        self.arenas = ArenaPool(1000, self.released.set, spare=spare)
        self.opened: list[OSError | None] = []
        self.stored: list[Receipts] = []  # receipts in the order of their batches
        self.writer = Writer(
            lambda close_file: LogStore(
                FileNames.resolve(log),
                StoreSettings(),
                self.metrics,
                StoreNeighbours(close_file=close_file, health=self.health),
            ),
            self.arenas,
            policy,
            WriterReports(
                metrics=self.metrics,
                on_open=on_open or self.opened.append,
                on_stored=self.stored.append,
                on_file_closed=lambda: None,
            ),
            DiskErrors(log, self.metrics, self.health),
        )
        self.writer.start()

    def put(
        self,
        lines: bytes,
        last_blocks: Mapping[bytes, int] | None = None,
        *,
        acks: int = 0,
        fence: bool = False,
    ) -> None:
        """Submit a batch once an arena is free. It owes `acks`, and at least one if it has blocks."""
        arena = self.arenas.current
        arena.add(lines)
        arena.last_blocks |= last_blocks or {}
        arena.fence = fence
        if acks or last_blocks:
            arena.add_acks(self.owner, acks or 1)
        while self.arenas.swap() is None:
            assert self.released.wait(PATIENCE), "no arena was released"
            self.released.clear()
        self.writer.put(arena)

    @property
    def is_idle(self) -> bool:
        """True if the writer keeps no arena: all is written, and what is awaited is durable."""
        return len(self.arenas._free) == 1

    def count(self, name: str, **labels: str) -> float:
        """Return a metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def writing(log: Path, policy: SyncPolicy | None = None, *, spare: int = 0) -> Generator[Bench]:
    bench = Bench(log, policy or SyncPolicy(), spare)
    yield bench
    assert bench.writer.close(PATIENCE)


def failing(name: str, times: int, number: int = errno.ENOSPC) -> Any:  # noqa: ANN401 (a context manager)
    failures = [None] * times

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == name and failures:
            failures.pop()
            raise OSError(number, os.strerror(number))

    return intercept_os_calls(before)


@contextmanager
def disk_full(space: threading.Event) -> Generator[None]:
    """Simulate a full disk until `space` is set."""

    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "write" and not space.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with intercept_os_calls(before):
        yield


def blocking_syncs(gate: threading.Event) -> Any:  # noqa: ANN401 (a context manager)
    def before(called: str, _: tuple[Any, ...]) -> None:
        if called == "fdatasync":
            assert gate.wait(PATIENCE)

    return intercept_os_calls(before)
