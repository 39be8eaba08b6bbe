"""One process of a load: `python -m nodelog.load.generator.worker`, given a line of JSON on stdin.

It connects and says that it is ready; is told when to start; says how far it is; and at the end what became
of it. All of them read the same clock, time.monotonic, so that they start in the same moment.
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
class Outcome:
    """What one process has done."""

    sent: dict[str, int]
    """Lines by connection that were wholly handed to the kernel, or acknowledged if that can be."""
    late: int
    """Lines that were due and are not handed over."""
    handed: int
    """When the last line was handed over; nanoseconds of time.monotonic."""
    read: int | None
    """When the collector had read them all; None if it has not."""
    cpu: float
    """Seconds of processor time, up to `handed`."""
    connections_made: int
    reconnects: int
    errors: dict[str, int] = field(default_factory=dict)
    latency: str
    """An HdrHistogram."""
    ack_latency: str
    """Another; empty if nothing is acknowledged."""
    unacknowledged: dict[str, int] = field(default_factory=dict)
    """Lines by connection that were handed over and may be stored or not."""


def work(commands: IO[str], answers: IO[str]) -> int:
    """Send one process's share; give the exit code."""

    def say(kind: str, value: object = None) -> None:
        answers.write(json.dumps({kind: value}) + "\n")
        answers.flush()

    order: dict[str, Any] = json.loads(commands.readline())
    settings = Settings(**order["settings"])
    sender = Sender(settings, order["process"], lambda progress: say("progress", asdict(progress)))

    def stop(*_: object) -> None:
        sender.stop = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    _raise_file_limit()
    try:
        sender.open()
    except OSError as error:
        say("failed", error.strerror or str(error))
        return 1
    say("ready")
    if not (start := commands.readline()):
        return 1  # whoever started it has gone
    gc.disable()  # nothing here makes cycles, and a collection would come between two lines
    cpu = time.process_time()
    sender.send(json.loads(start)["start"])
    handed, cpu = time.monotonic_ns(), time.process_time() - cpu
    late = sender.late(handed)
    is_read = sender.finish()
    outcome = Outcome(
        sent={str(connection.number): connection.sent for connection in sender.connections},
        late=late,
        handed=handed,
        read=time.monotonic_ns() if is_read else None,
        cpu=cpu,
        connections_made=sender.links.made,
        reconnects=sender.links.reconnects,
        errors=dict(sender.links.errors),
        latency=sender.latency.encode(),
        ack_latency=sender.ack_latency.encode(),
        unacknowledged={str(number): lines for number, lines in sender.unacknowledged.items()},
    )
    say("outcome", asdict(outcome))
    return 0


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    try:
        sys.exit(work(sys.stdin, sys.stdout))
    except BrokenPipeError:
        os._exit(1)  # whoever started it has gone, and nobody reads what Python would say at its exit
