"""The measurements of collectors whose clients make a connection for each line, sent by churn.c.

`nodelog load --per-connection` sends the same, but a client in Python would be the limit here.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from math import nan
from typing import TYPE_CHECKING, Any

from tests.bench.collectors.log_growth import LogGrowth
from tests.bench.collectors.measurements import line_errors
from tests.bench.workspace import compiled

if TYPE_CHECKING:
    from tests.bench.collectors.collector_process import CollectorProcess
    from tests.bench.collectors.measurements import Figures, Load

BURST = 50  # milliseconds in which all connections of a burst begin


def churn(run: CollectorProcess, load: Load) -> Figures:
    """Measure clients that make one connection after the other; a latency is that of a whole connection."""
    return _measure(run, load, "loop", load.seconds)


def burst(run: CollectorProcess, load: Load) -> Figures:
    """Measure connections that all begin at once, whatever became of those before."""
    return _measure(run, load, "burst", BURST)


def _measure(run: CollectorProcess, load: Load, kind: str, length: int) -> Figures:
    with LogGrowth(run, 0.01, lambda _: None) as growth:
        cpu = run.cpu_seconds()
        sent = _send(run, load, kind, length)
        growth.wait(sent["bytes"])
        cpu = run.cpu_seconds() - cpu
    connections = sent["lines"] or nan
    latency = sent["latency_us"]
    cores = os.cpu_count() or 1
    return {
        "connections_per_second": sent["lines"] / sent["seconds"],
        "cpu_us_per_connection": (cpu or nan) / connections * 1e6,
        "p50": latency["p50"] / 1e6,
        "p99": latency["p99"] / 1e6,
        "worst": latency["max"] / 1e6,
        "failed": sent["failed"],
        "machine": (cpu + sent["cpu"]) / sent["seconds"] / cores,
        **line_errors(run, sent),
    }


def _send(run: CollectorProcess, load: Load, kind: str, length: int) -> dict[str, Any]:
    place, name = run.place, secrets.token_hex(3)
    numbers = [str(place.port), name, str(load.line), kind, str(load.connections), str(length)]
    done = subprocess.run([compiled("churn"), *numbers], check=True, stdout=subprocess.PIPE)
    (place.folder / "sent.json").write_bytes(done.stdout)
    return dict(json.loads(done.stdout))
