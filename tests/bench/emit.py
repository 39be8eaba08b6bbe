"""What a call of `logging` pays for NodeLogHandler: `python -m tests.bench.emit`.

The collector is another process: up, down, or restarted all the time. Records are emitted at a rate and flat
out, with the spool in memory and in a file. Prints the percentiles of `emit`, in microseconds.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.client.shipping.collector import Collector

from nodelog import NodeLogHandler

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.connection import Connection

RATE: Final = 5000  # lines per second
SECONDS: Final = 1.0  # of each measurement
UP: Final = 0.3  # seconds between two restarts
PERCENTILES: Final = (0.5, 0.9, 0.99, 0.999, 1.0)
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


def collect(state: str, pipe: Connection) -> None:
    """Be a collector until told to end; `state` is `up`, `down` or `restarting`."""
    collector = Collector().start()
    pipe.send(collector.port)
    if state == "down":
        collector.crash()
    while not pipe.poll(UP):
        if state == "restarting":
            collector.crash()
            collector.start()
    if state != "down":
        collector.crash()


@contextmanager
def collecting(state: str) -> Generator[int]:
    """Give the port of a collector."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=collect, args=(state, theirs))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def emit(handler: NodeLogHandler, rate: int | None) -> list[int]:
    """Emit for a while; give the nanoseconds that each call took."""
    taken = []
    number = 0
    begin = time.perf_counter_ns()
    end = begin + round(SECONDS * 1e9)
    while (now := time.perf_counter_ns()) < end:
        if rate is not None and (ahead := begin + number * 1_000_000_000 // rate - now) > 0:
            time.sleep(ahead / 1e9)
        record = logging.LogRecord(
            "app", logging.INFO, __file__, 1, "request %d took %d ms", (number, 12), None
        )
        before = time.perf_counter_ns()
        handler.emit(record)
        taken.append(time.perf_counter_ns() - before)
        number += 1
    return taken


def measure(state: str, spool: str | None, rate: int | None) -> str:
    """Give a row of the table."""
    with collecting(state) as port:
        handler = NodeLogHandler("127.0.0.1", port, spool=spool, tell=lambda _: None, exit_timeout=0)
        handler.setFormatter(logging.Formatter(FORMAT))
        taken = sorted(emit(handler, rate))
        handler.close()
    figures = [taken[min(len(taken) - 1, int(len(taken) * part))] / 1000 for part in PERCENTILES]
    return f"{len(taken):8}" + "".join(f"{figure:9.1f}" for figure in figures)


def main() -> None:
    """Print the table."""
    print(f"{'':36}   calls      p50      p90      p99    p99.9      max")
    with tempfile.TemporaryDirectory() as folder:
        for number, (state, in_file, rate) in enumerate(
            (state, in_file, rate)
            for rate in (RATE, None)
            for in_file in (False, True)
            for state in ("up", "down", "restarting")
        ):
            spool = os.path.join(folder, str(number)) if in_file else None  # noqa: PTH118 (a name in a loop)
            what = f"{state}, {'file' if in_file else 'memory'}, {f'{rate}/s' if rate else 'flat out'}"
            print(f"{what:36}{measure(state, spool, rate)}", flush=True)


if __name__ == "__main__":
    main()
