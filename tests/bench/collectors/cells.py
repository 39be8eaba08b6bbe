"""The cells of the comparison: which load goes to which collectors, and which figures are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.collectors.churn import burst, churn
from tests.bench.collectors.measurements import (
    Figures,
    Load,
    ack_latency,
    idle_cost,
    single_line_latency,
    throughput,
    visibility_latency,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.collectors.collector_process import CollectorProcess
    from tests.bench.collectors.systems import System

ALL = ("logd", "C bound", "rsyslog", "syslog-ng", "Fluent Bit", "nc, cat")
LINE_BY_LINE = 0  # bytes per write


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One comparison."""

    name: str
    title: str
    load: Load
    measure: Callable[[CollectorProcess, Load], Figures] = throughput
    shown: tuple[str, ...] = ("bytes_per_second", "cpu_seconds_per_gb", "peak_rss")
    """The figures in the table; collectors are compared by the first one."""
    systems: tuple[str, ...] = ALL

    def includes(self, system: System) -> bool:
        """Return whether a collector is measured in this cell."""
        return system.name in self.systems and self.load.connections <= system.max_connections


PER_LINE = "lines_per_second", "cpu_us_per_line", "peak_rss"
TIMES = "p50", "p99", "worst"
CELLS = (
    *(
        Cell(
            name=f"blocks-{count}",
            title=f"writes of 64 KiB, lines of 128 bytes, connections: {count}",
            load=Load(connections=count, processes=2 if count == 1000 else 1),
            systems=(*ALL, "logd, gzip") if count == 64 else ALL,
        )
        for count in (1, 8, 64, 1000)
    ),
    *(
        Cell(
            name=f"lines-of-{size}",
            title=f"writes of 64 KiB, lines of {size} bytes, connections: 64",
            load=Load(connections=64, line=size),
        )
        for size in (64, 1024)
    ),
    *(
        Cell(
            name=f"single-{count}",
            title=f"one line of 128 bytes per write, connections: {count}",
            load=Load(connections=count, write=LINE_BY_LINE, processes=2),
            shown=PER_LINE,
        )
        for count in (8, 64, 1000)
    ),
    *(
        Cell(
            name=f"churn-{count}",
            title=f"a connection for each line, one after the other, clients: {count}",
            load=Load(connections=count, seconds=5),
            measure=churn,
            shown=("connections_per_second", "cpu_us_per_connection", "p50", "p99", "worst"),
        )
        for count in (1, 16, 64)
    ),
    Cell(
        name="churn-burst",
        title="a connection for each line, 4,000 begun within 50 ms",
        load=Load(connections=4000),
        measure=burst,
        shown=("worst", "p50", "cpu_us_per_connection"),
    ),
    Cell(
        name="relp",
        title="RELP, blocks of 64 KiB, lines of 128 bytes, connections: 8 (logd: lines; imrelp: messages)",
        load=Load(connections=8),
        systems=("logd", "RELP, interval", "RELP, batch", "imrelp"),
    ),
    Cell(
        name="acks",
        title="from send to acknowledgement, 20,000 lines/s, one per frame, connections: 100",
        load=Load(connections=100, write=LINE_BY_LINE, rate=20_000),
        measure=ack_latency,
        shown=TIMES,
        systems=("RELP, interval", "RELP, batch", "imrelp"),
    ),
    Cell(
        name="gzip",
        title="2.4 million lines/s on schedule in writes of 64 KiB, connections: 64: a core is free for gzip",
        load=Load(connections=64, rate=2_400_000, seconds=6),
        shown=("bytes_per_second", "cpu_seconds_per_gb", "sending_p99"),
        systems=("logd", "logd, gzip"),
    ),
    Cell(
        name="visible",
        title="from send to visible in the file, 20,000 lines/s, connections: 100",
        load=Load(connections=100, write=LINE_BY_LINE, rate=20_000),
        measure=visibility_latency,
        shown=TIMES,
    ),
    Cell(
        name="answer",
        title="from send to visible in the file, a single line, otherwise idle",
        load=Load(connections=1),
        measure=single_line_latency,
        shown=("p50", "worst"),
    ),
    *(
        Cell(
            name=f"idle-{count}",
            title=f"idle, connections: {count}",
            load=Load(connections=count),
            measure=idle_cost,
            shown=("rss", "core", "start"),
        )
        for count in (0, 1000, 10_000)
    ),
)
