"""What is measured of a system: each function is one kind of cell and gives its figures by name.

Bytes, seconds, and lines; `lost`, `doubled`, `torn` and `reordered` lines; `limited` is 1 if the generator
had no processor time left, so that the figures say nothing about the system.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.following import Follower
from tests.bench.warmth import Warmth

from nodelog.load.generator.settings import Settings
from nodelog.load.line_format import LineFormat

if TYPE_CHECKING:
    from tests.bench.running import Running

Figures = dict[str, float]

NODELOG = str(Path(sys.executable).with_name("nodelog"))
LINES = 400_000  # of a load with one line per write
ADDRESSES = 2  # of idle senders, as one address has too few ports for comfort
SINGLES = 200
ENOUGH = 5.0  # seconds for single lines; some systems write once a second
TROUBLES = ("lost", "doubled", "torn", "reordered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent."""

    connections: int
    line: int = 128
    write: int = 65_536
    """Bytes; 0: one line."""
    rate: int = 0
    """Lines per second in all; 0: flat out."""
    seconds: int = 10
    """How long, if there is a rate."""
    processes: int = 1

    def volume(self, run: Running) -> int:
        """Give the bytes to send."""
        if self.rate:
            return self.rate * self.seconds * self.line
        return run.system.volume if self.write else LINES * self.line


def throughput(run: Running, load: Load) -> Figures:
    """Send; count until all is in files, then look whether it is whole."""
    apart = 0.1 if run.system.rotates else 0.002
    with Warmth(load.volume(run)) as warmth, Follower(run, apart, warmth.free) as follower:
        cpu = run.cpu()
        sent = _sent(run, load)
        complete = follower.wait(sent["bytes"]) or time.monotonic_ns()
        cpu = run.cpu() - cpu or nan  # of processes that end with their connections nothing is known
    # One that rotates is asked by HTTP how far it is, which is seldom done; it is done when all is read.
    seconds = sent["seconds"] if run.system.rotates else (complete - sent["start"]) / 1e9
    return {
        "bytes_per_second": sent["bytes"] / seconds,
        "lines_per_second": sent["lines"] / seconds,
        "cpu_seconds_per_gb": cpu / sent["bytes"] * 1e9,
        "cpu_us_per_line": cpu / sent["lines"] * 1e6,
        "peak_rss": run.rss(peak=True),
        "sending_p99": sent["latency_us"]["p99"] / 1e6,
        **_generator(sent),
        **_troubles(run, sent),
    }


def visible(run: Running, load: Load) -> Figures:
    """Send by a plan; give the time from when each line was due until it is in the file."""
    with Warmth(load.volume(run)) as warmth, Follower(run, 0.0001, warmth.free) as follower:
        sent = _sent(run, load)
        follower.wait(sent["bytes"])
    settings = Settings(run=sent["run"], connections=load.connections, line_size=load.line, write_size=0,
                        rate=load.rate)  # fmt: skip
    first, *_ = LineFormat(sent["run"], load.line).digit_positions
    seconds: list[float] = []
    data = run.place.log.read_bytes()
    for start in range(0, len(data), load.line):
        connection = int(data[start + first : start + first + 4], 16)
        number = int(data[start + first + 5 : start + first + 15], 16)
        seen = follower.seen(start + load.line) - sent["start"]
        seconds.append((seen - settings.planned(connection, number)) / 1e9)
    seconds.sort()
    return {
        "p50": seconds[len(seconds) // 2],
        "p99": seconds[len(seconds) * 99 // 100],
        "worst": seconds[-1],
        **_generator(sent),
        **_troubles(run, sent),
    }


def acknowledged(run: Running, load: Load) -> Figures:
    """Send by a plan; give the time from when each line was due until it was acknowledged."""
    sent = _sent(run, load)
    times = {name: sent["ack_latency_us"][name] / 1e6 for name in ("p50", "p99")}
    return {**times, "worst": sent["ack_latency_us"]["max"] / 1e6, **_generator(sent), **_troubles(run, sent)}


def single(run: Running, _: Load) -> Figures:
    """Send a line when nothing else happens; give the time until it is in the file."""
    seconds: list[float] = []
    with socket.create_connection(("127.0.0.1", run.place.port)) as client:
        end = time.monotonic() + ENOUGH
        while len(seconds) < SINGLES and time.monotonic() < end:
            time.sleep(0.01)  # idle, it is meant to be
            before, start = run.written(), time.monotonic()
            client.sendall(b"x" * 127 + b"\n")
            while run.written() == before and time.monotonic() < end:
                pass
            seconds.append(time.monotonic() - start)
    return {"p50": statistics.median(seconds), "worst": max(seconds)}


def idle(run: Running, load: Load) -> Figures:
    """Give the memory that so many connections take which send nothing, and the processor's share."""
    with ExitStack() as stack:
        for number in range(load.connections):
            source = (f"127.0.0.{2 + number % ADDRESSES}", 0)
            target = ("127.0.0.1", run.place.port)
            stack.enter_context(socket.create_connection(target, source_address=source))
        time.sleep(1)  # none of them says when it has accepted the last one
        cpu, start = run.cpu(), time.monotonic()
        time.sleep(2)
        core = (run.cpu() - cpu) / (time.monotonic() - start)
        return {"rss": run.rss(), "core": core, "start": run.start}


def _sent(run: Running, load: Load) -> dict[str, Any]:
    """Send; give what the generator says, once the system has read it all."""
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
        *run.system.speaks,
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


def _troubles(run: Running, sent: dict[str, Any]) -> Figures:
    """Read back what it wrote, after it has ended: nothing of it changes any more then."""
    run.end()
    command = [
        NODELOG,
        "verify",
        "--json",
        f"--sent={run.place.folder / 'sent.json'}",
        *map(str, run.files()),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    verdict = json.loads(done.stdout)
    return {name: float(verdict[name]) for name in TROUBLES} | {
        "received": verdict["received"] / sent["lines"]
    }
