"""How long a call to `logging` takes with NodeLogHandler: `python -m tests.bench.emit_latency`, 20 seconds.

The collector is another process: up, down, or killed and restarted every 0.3 s. Records are emitted at a
rate, with sleeps in between, and as fast as possible; the spool is in memory or in a file. Prints percentiles
of `emit` in microseconds. After a sleep the CPU caches are cold, so the same is measured with a handler that
only formats, and with logging's own handler on /dev/null: what exceeds the first is the cost of
NodeLogHandler.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.client.shipping.fake_collector import FakeCollector

from nodelog import NodeLogHandler

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.connection import Connection

RATE: Final = 5000  # lines per second
SECONDS: Final = 0.8  # of each measurement
UPTIME: Final = 0.3  # seconds between restarts
PERCENTILES: Final = (0.5, 0.9, 0.99, 0.999, 1.0)
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class OnlyFormats(logging.Handler):
    """Does the minimum of every handler."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record."""
        self.format(record)


def collect(state: str, pipe: Connection) -> None:
    """Run a collector until a message arrives on `pipe`; `state` is `up`, `down` or `restarting`."""
    collector = FakeCollector().start()
    pipe.send(collector.port)
    if state == "down":
        collector.crash()
    while not pipe.poll(UPTIME):
        if state == "restarting":
            collector.crash()
            collector.start()
    if state != "down":
        collector.crash()


@contextmanager
def collecting(state: str) -> Generator[int]:
    """Yield the port of a collector process."""
    context = multiprocessing.get_context("spawn")
    pipe, child_pipe = context.Pipe()
    process = context.Process(target=collect, args=(state, child_pipe))
    process.start()
    try:
        yield pipe.recv()
    finally:
        pipe.send(None)
        process.join()


def emit(handler: logging.Handler, rate: int | None) -> list[int]:
    """Emit for SECONDS; return the nanoseconds that each call took."""
    handler.setFormatter(logging.Formatter(FORMAT))
    durations = []
    number = 0
    begin = time.perf_counter_ns()
    end = begin + round(SECONDS * 1e9)
    while (now := time.perf_counter_ns()) < end:
        if rate is not None and (ahead := begin + number * 1_000_000_000 // rate - now) > 0:
            time.sleep(ahead / 1e9)
        values = (number, 12)
        record = logging.LogRecord("app", logging.INFO, __file__, 1, "request %d took %d ms", values, None)
        before = time.perf_counter_ns()
        handler.emit(record)
        durations.append(time.perf_counter_ns() - before)
        number += 1
    handler.close()
    return durations


def show(what: str, rate: int | None, durations: list[int]) -> None:
    """Print a row of the table."""
    durations.sort()
    figures = [durations[min(len(durations) - 1, int(len(durations) * part))] / 1000 for part in PERCENTILES]
    name = f"{what}, {f'{rate}/s' if rate else 'flat out'}"
    print(f"{name:32}{len(durations):9}" + "".join(f"{figure:9.1f}" for figure in figures), flush=True)


def main() -> None:
    """Print the table."""
    print(f"{'':32}    calls      p50      p90      p99    p99.9      max")
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        for rate in (RATE, None):
            show("only formatted", rate, emit(OnlyFormats(), rate))
            show("to /dev/null", rate, emit(logging.StreamHandler(nowhere), rate))
            for place in ("memory", "file"):
                spool = Path(folder, f"{rate}") if place == "file" else None
                for state in ("up", "down", "restarting"):
                    with collecting(state) as port:
                        handler = NodeLogHandler(
                            "127.0.0.1", port, spool=spool, tell=lambda _: None, exit_timeout=0
                        )
                        show(f"{place}, {state}", rate, emit(handler, rate))


if __name__ == "__main__":
    main()
