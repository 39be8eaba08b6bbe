"""The measurements of a collector: each function measures one kind of cell and returns its figures by name.

Units are bytes, seconds and lines; `lost`, `doubled`, `torn` and `reordered` count lines. `limited` is 1 if
the load generator had no CPU time left: then the figures say nothing about the collector.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

from tests.bench.collectors.log_growth import LogGrowth
from tests.bench.warm_memory import WarmMemory
from tests.bench.workspace import NODELOG

from nodelog.load.generator.settings import Settings
from nodelog.load.line_format import LineFormat

if TYPE_CHECKING:
    from tests.bench.collectors.collector_process import CollectorProcess

Figures = dict[str, float]

LINES = 400_000  # sent by a load with one line per write
ADDRESSES = 2  # source addresses of idle connections: one has hardly enough ports
SINGLES = 200
SINGLES_TIMEOUT = 5.0  # seconds for single lines; some collectors write once a second
LINE_ERRORS = ("lost", "doubled", "torn", "reordered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load that is sent to a collector."""

    connections: int
    line: int = 128
    write: int = 65_536
    """Bytes per write; 0 means one line."""
    rate: int = 0
    """Lines per second over all connections; 0 means as fast as possible."""
    seconds: int = 10
    """Duration if there is a rate."""
    processes: int = 1

    def volume(self, run: CollectorProcess) -> int:
        """Return the number of bytes to send."""
        if self.rate:
            return self.rate * self.seconds * self.line
        return run.system.volume if self.write else LINES * self.line


def throughput(run: CollectorProcess, load: Load) -> Figures:
    """Measure the rate and the cost until all lines are in files; then verify the lines."""
    interval = 0.1 if run.system.rotates else 0.002
    with WarmMemory(load.volume(run)) as memory, LogGrowth(run, interval, memory.free) as growth:
        cpu = run.cpu_seconds()
        sent = _send(run, load)
        complete = growth.wait(sent["bytes"]) or time.monotonic_ns()
        cpu = run.cpu_seconds() - cpu or nan  # unknown for processes that end with their connections
    # A collector that rotates is polled over HTTP, which is too coarse: there, the end is when all is read.
    seconds = sent["seconds"] if run.system.rotates else (complete - sent["start"]) / 1e9
    return {
        "bytes_per_second": sent["bytes"] / seconds,
        "lines_per_second": sent["lines"] / seconds,
        "cpu_seconds_per_gb": cpu / sent["bytes"] * 1e9,
        "cpu_us_per_line": cpu / sent["lines"] * 1e6,
        "peak_rss": run.rss(peak=True),
        "sending_p99": sent["latency_us"]["p99"] / 1e6,
        **_generator(sent),
        **line_errors(run, sent),
    }


def visibility_latency(run: CollectorProcess, load: Load) -> Figures:
    """Send on schedule; measure the time from when each line was due until it is in the file."""
    with WarmMemory(load.volume(run)) as memory, LogGrowth(run, 0.0001, memory.free) as growth:
        sent = _send(run, load)
        growth.wait(sent["bytes"])
    settings = Settings(run=sent["run"], connections=load.connections, line_size=load.line, write_size=0,
                        rate=load.rate)  # fmt: skip
    first, *_ = LineFormat(sent["run"], load.line).digit_positions
    seconds: list[float] = []
    data = run.place.log.read_bytes()
    for start in range(0, len(data), load.line):
        connection = int(data[start + first : start + first + 4], 16)
        number = int(data[start + first + 5 : start + first + 15], 16)
        visible = growth.visible_at(start + load.line) - sent["start"]
        seconds.append((visible - settings.due_at(connection, number)) / 1e9)
    seconds.sort()
    return {
        "p50": seconds[len(seconds) // 2],
        "p99": seconds[len(seconds) * 99 // 100],
        "worst": seconds[-1],
        **_generator(sent),
        **line_errors(run, sent),
    }


def ack_latency(run: CollectorProcess, load: Load) -> Figures:
    """Send on schedule; measure the time from when each line was due until it was acknowledged."""
    sent = _send(run, load)
    times = {name: sent["ack_latency_us"][name] / 1e6 for name in ("p50", "p99")}
    return {
        **times,
        "worst": sent["ack_latency_us"]["max"] / 1e6,
        **_generator(sent),
        **line_errors(run, sent),
    }


def single_line_latency(run: CollectorProcess, _: Load) -> Figures:
    """Send single lines to an idle collector; measure the time until each is in the file."""
    seconds: list[float] = []
    with socket.create_connection(("127.0.0.1", run.place.port)) as client:
        end = time.monotonic() + SINGLES_TIMEOUT
        while len(seconds) < SINGLES and time.monotonic() < end:
            time.sleep(0.01)  # it shall be idle
            before, start = run.written(), time.monotonic()
            client.sendall(b"x" * 127 + b"\n")
            while run.written() == before and time.monotonic() < end:
                pass
            seconds.append(time.monotonic() - start)
    return {"p50": statistics.median(seconds), "worst": max(seconds)}


def idle_cost(run: CollectorProcess, load: Load) -> Figures:
    """Measure memory and CPU share of a collector whose connections send nothing."""
    with ExitStack() as stack:
        for number in range(load.connections):
            source = (f"127.0.0.{2 + number % ADDRESSES}", 0)
            target = ("127.0.0.1", run.place.port)
            stack.enter_context(socket.create_connection(target, source_address=source))
        time.sleep(1)  # no collector reports when it has accepted the last one
        cpu, start = run.cpu_seconds(), time.monotonic()
        time.sleep(2)
        core = (run.cpu_seconds() - cpu) / (time.monotonic() - start)
        return {"rss": run.rss(), "core": core, "start": run.startup}


def _send(run: CollectorProcess, load: Load) -> dict[str, Any]:
    """Send the load; return the generator's report once the collector has read everything."""
    options = {
        "port": run.place.port,
        "connections": load.connections,
        "line-size": load.line,
        "write-size": load.write or "line",
        "processes": load.processes,
        "bytes": load.volume(run),
    } | ({"rate": load.rate} if load.rate else {})
    command = [
        NODELOG,
        "load",
        "--json",
        *run.system.load_options,
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    (run.place.folder / "sent.json").write_bytes(done.stdout)
    return dict(json.loads(done.stdout))


def _generator(sent: dict[str, Any]) -> Figures:
    return {
        "limited": float(sent["generator_was_the_limit"]),
        "generator": max(sent["processor_shares"]),
        "machine": sent["machine"] or 0.0,
    }


def line_errors(run: CollectorProcess, sent: dict[str, Any]) -> Figures:
    """Stop the collector, so that its files no longer change, and verify its lines."""
    run.stop()
    command = [
        NODELOG,
        "verify",
        "--json",
        f"--sent={run.place.folder / 'sent.json'}",
        *map(str, run.files()),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    verdict = json.loads(done.stdout)
    return {name: float(verdict[name]) for name in LINE_ERRORS} | {
        "received": verdict["received"] / sent["lines"]
    }
