"""One process of a load: `python -m nodelog.load.generator.worker`, with its settings as JSON on stdin.

It connects and reports that it is ready; is told when to start; reports its progress; and at the end its
result. All workers read the same clock, time.monotonic, so that they start at the same moment.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from nodelog.load.generator.sender import Sender
from nodelog.load.generator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult:
    """What one process has done."""

    sent: dict[str, int]
    """Lines by connection that were completely handed to the kernel or, with RELP, acknowledged."""
    late: int
    """Lines that were due and are not handed over."""
    handed_at: int
    """When the last line was handed over, in nanoseconds of time.monotonic."""
    read_at: int | None
    """When the collector had read them all; None if it has not."""
    cpu: float
    """Seconds of processor time, up to `handed_at`."""
    connections_made: int
    reconnects: int
    errors: dict[str, int] = field(default_factory=dict)
    latency: str
    """An encoded LatencyHistogram."""
    ack_latency: str
    """Another one; without values if nothing is acknowledged."""
    unacknowledged: dict[str, int] = field(default_factory=dict)
    """Lines by connection that were handed over and may be stored or not."""


def run_worker(commands: IO[str], reports: IO[str]) -> int:
    """Send one process's share of the load; return the exit code."""

    def report(kind: str, value: object = None) -> None:
        reports.write(json.dumps({kind: value}) + "\n")
        reports.flush()

    order: dict[str, Any] = json.loads(commands.readline())
    settings = Settings(**order["settings"])
    sender = Sender(settings, order["process"], lambda progress: report("progress", asdict(progress)))

    def stop(*_: object) -> None:
        sender.stop_requested = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    _raise_file_limit()
    try:
        sender.connect()
    except OSError as error:
        report("failed", error.strerror or str(error))
        return 1
    report("ready")
    if not (start := commands.readline()):
        return 1  # the coordinator is gone
    gc.disable()  # nothing here creates cycles, and a collection would delay lines
    cpu = time.process_time()
    sender.send(json.loads(start)["start"])
    handed_at, cpu = time.monotonic_ns(), time.process_time() - cpu
    late = sender.late_lines(handed_at)
    is_read = sender.finish()
    result = WorkerResult(
        sent={str(connection.number): connection.sent for connection in sender.connections},
        late=late,
        handed_at=handed_at,
        read_at=time.monotonic_ns() if is_read else None,
        cpu=cpu,
        connections_made=sender.pool.made,
        reconnects=sender.pool.reconnects,
        errors=dict(sender.pool.errors),
        latency=sender.latency.encode(),
        ack_latency=sender.ack_latency.encode(),
        unacknowledged={str(number): lines for number, lines in sender.unacknowledged.items()},
    )
    report("result", asdict(result))
    return 0


def _raise_file_limit() -> None:
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


if __name__ == "__main__":
    try:
        sys.exit(run_worker(sys.stdin, sys.stdout))
    except BrokenPipeError:
        os._exit(1)  # the coordinator is gone, and nobody reads what Python would report at exit
