"""The total figures of a load, combined from the results of its workers, as text or JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nodelog.load.generator.cpu_usage import describe_usage, is_saturated

if TYPE_CHECKING:
    from nodelog.load.generator.coordinator import LoadResult
    from nodelog.load.generator.latency_histogram import LatencyHistogram
    from nodelog.load.generator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures of one load."""

    start: int
    """When it began, in nanoseconds of this machine's time.monotonic; due times of writes count from it."""
    lines: int
    """Lines completely handed to the kernel or, with acknowledgements, acknowledged."""
    bytes: int
    late: int
    """Lines that were due by the end and are not handed over."""
    handed_seconds: float
    """From the start until the last line was handed over."""
    read_seconds: float | None
    """Until the collector had read or acknowledged all lines and closed its side; None if it has not."""
    connections_made: int
    reconnects: int
    errors: dict[str, int]
    latency_us: dict[str, int]
    ack_latency_us: dict[str, int]
    processes: list[float]
    """The share of a core that each process used until the last line was handed over."""
    machine: float | None
    """The share of all processors of this machine that was busy, with anything."""
    sent: dict[str, int]
    """Lines by connection."""
    unacknowledged: dict[str, int]
    """Further lines by connection that were handed over but not acknowledged: they may be stored or not."""

    @property
    def seconds(self) -> float:
        """The duration that rates refer to: lines that are only handed to the kernel are not received."""
        return self.handed_seconds if self.read_seconds is None else self.read_seconds


def add_up(
    settings: Settings, result: LoadResult, latency: LatencyHistogram, ack_latency: LatencyHistogram
) -> Totals:
    """Add up the workers' results; their histograms are merged into `latency` and `ack_latency`."""
    errors: Counter[str] = Counter()
    sent: dict[str, int] = {}
    unacknowledged: dict[str, int] = {}
    read_at = []
    for worker in result.workers:
        errors.update(worker.errors)
        sent |= worker.sent
        unacknowledged |= worker.unacknowledged
        latency.merge(worker.latency)
        ack_latency.merge(worker.ack_latency)
        read_at.append(worker.read_at)
    known = [time for time in read_at if time is not None]
    lines = sum(sent.values())
    return Totals(
        start=result.start,
        lines=lines,
        bytes=lines * settings.line_size,
        late=sum(worker.late for worker in result.workers),
        handed_seconds=(max(worker.handed_at for worker in result.workers) - result.start) / 1e9,
        read_seconds=(max(known) - result.start) / 1e9 if len(known) == len(read_at) else None,
        connections_made=sum(worker.connections_made for worker in result.workers),
        reconnects=sum(worker.reconnects for worker in result.workers),
        errors=dict(errors),
        latency_us=latency.summary(),
        ack_latency_us=ack_latency.summary(),
        processes=[
            round(worker.cpu / max(1e-9, (worker.handed_at - result.start) / 1e9), 4)
            for worker in result.workers
        ],
        machine=result.machine,
        sent=dict(sorted(sent.items(), key=lambda item: int(item[0]))),
        unacknowledged=dict(sorted(unacknowledged.items(), key=lambda item: int(item[0]))),
    )


def to_json(settings: Settings, totals: Totals) -> dict[str, Any]:
    """Return what `--json` prints, which is also what `nodelog verify --sent` reads."""
    seconds = max(totals.seconds, 1e-9)
    figures = asdict(totals)
    return {
        **asdict(settings),
        "run": settings.run,
        "lines": figures.pop("lines"),
        "bytes": figures.pop("bytes"),
        "seconds": totals.seconds,
        "lines_per_second": totals.lines / seconds,
        "bytes_per_second": totals.bytes / seconds,
        "generator_was_the_limit": is_saturated(totals.processes),
        "processor_shares": figures.pop("processes"),
        **figures,
    }


def to_text(settings: Settings, totals: Totals) -> list[str]:
    """Return the lines of the text report."""
    seconds = max(totals.seconds, 1e-9)
    per = f"{settings.connections} connections, {settings.line_size} bytes a line, {_writes(settings)}"
    amount = f"{totals.lines:,} lines, {_amount(totals.bytes)} in {totals.seconds:.2f} s"
    acknowledged = ", acknowledged" if settings.protocol == "relp" else ""
    report = [
        f"run:        {settings.run} to {settings.host} port {settings.port}, {per}",
        f"sent:       {amount}{acknowledged}",
        f"rate:       {_amount(totals.bytes / seconds)}/s, {totals.lines / seconds:,.0f} lines/s",
    ]
    if totals.unacknowledged:
        count = sum(totals.unacknowledged.values())
        report.append(f"unsettled:  {count:,} more lines are not acknowledged; they may be stored or not")
    elif totals.read_seconds is None:
        what = "was acknowledged" if acknowledged else "the kernel took"
        report.append(f"not read:   the collector did not end every connection; the rate is what {what}")
    if totals.late:
        report.append(f"late:       {totals.late:,} lines were due and are not sent")
    for label, latency in (("latency:", totals.latency_us), ("ack after:", totals.ack_latency_us)):
        if latency:
            figures = ", ".join(f"{name} {_time(value)}" for name, value in latency.items())
            report.append(f"{label:11} {figures}")
    if settings.per_connection:
        made = totals.connections_made
        report.append(f"made:       {made:,} connections, {made / seconds:,.0f}/s")
    report.append(f"reconnects: {totals.reconnects}")
    report += [f"error:      {error} ({count})" for error, count in totals.errors.items()]
    report.append(f"generator:  {describe_usage(totals.processes, totals.machine)}")
    return report


def _writes(settings: Settings) -> str:
    lines = f"{settings.write_lines} lines" if settings.write_lines > 1 else "one line"
    if settings.protocol == "lines":
        return f"{lines} a write"
    return f"{lines} a frame" if settings.frames == "lines" else f"one line a frame, {lines} a write"


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 (of the next unit)
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def _time(microseconds: int) -> str:
    return f"{microseconds / 1000:g} ms" if microseconds >= 1000 else f"{microseconds} µs"  # noqa: PLR2004 (the next unit)
