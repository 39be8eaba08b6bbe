"""What a load came to: computed from what its processes say, told as text or as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nodelog.load.generator.cpu_usage import verdict, was_limit

if TYPE_CHECKING:
    from nodelog.load.generator.coordinator import Record
    from nodelog.load.generator.latency_histogram import Latency
    from nodelog.load.generator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures of one load."""

    start: int
    """When it began, nanoseconds of time.monotonic of this machine: `planned` writes count from it."""
    lines: int
    """Wholly handed to the kernel, or acknowledged if that can be."""
    bytes: int
    late: int
    """Lines that were due by the end and are not handed over."""
    handed_seconds: float
    """From the start until the last line was handed over."""
    read_seconds: float | None
    """Until the collector had read or acknowledged all of them and closed its side; None if it has not."""
    connections_made: int
    reconnects: int
    errors: dict[str, int]
    latency_us: dict[str, int]
    ack_latency_us: dict[str, int]
    processes: list[float]
    """Which part of a core each process took until the last line was handed over."""
    machine: float | None
    """Which part of all processors was busy, by whatever."""
    sent: dict[str, int]
    """Lines by connection."""
    unacknowledged: dict[str, int]
    """Further lines by connection, handed over but not acknowledged: they may be stored or not."""

    @property
    def seconds(self) -> float:
        """The time that counts: what is only handed to the kernel is not received."""
        return self.handed_seconds if self.read_seconds is None else self.read_seconds


def total(settings: Settings, record: Record, latency: Latency, acks: Latency) -> Totals:
    """Put together what the processes did; their latencies are merged into `latency` and `acks`."""
    errors: Counter[str] = Counter()
    sent: dict[str, int] = {}
    unacknowledged: dict[str, int] = {}
    reads = []
    for outcome in record.outcomes:
        errors.update(outcome.errors)
        sent |= outcome.sent
        unacknowledged |= outcome.unacknowledged
        latency.merge(outcome.latency)
        acks.merge(outcome.ack_latency)
        reads.append(outcome.read)
    known = [read for read in reads if read is not None]
    lines = sum(sent.values())
    return Totals(
        start=record.start,
        lines=lines,
        bytes=lines * settings.line_size,
        late=sum(outcome.late for outcome in record.outcomes),
        handed_seconds=(max(outcome.handed for outcome in record.outcomes) - record.start) / 1e9,
        read_seconds=(max(known) - record.start) / 1e9 if len(known) == len(reads) else None,
        connections_made=sum(outcome.connections_made for outcome in record.outcomes),
        reconnects=sum(outcome.reconnects for outcome in record.outcomes),
        errors=dict(errors),
        latency_us=latency.figures(),
        ack_latency_us=acks.figures(),
        processes=[
            round(outcome.cpu / max(1e-9, (outcome.handed - record.start) / 1e9), 4)
            for outcome in record.outcomes
        ],
        machine=record.machine,
        sent=dict(sorted(sent.items(), key=lambda item: int(item[0]))),
        unacknowledged=dict(sorted(unacknowledged.items(), key=lambda item: int(item[0]))),
    )


def to_json(settings: Settings, totals: Totals) -> dict[str, Any]:
    """Give what `--json` prints, which is what `nodelog verify --sent` reads."""
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
        "generator_was_the_limit": was_limit(totals.processes),
        "processor_shares": figures.pop("processes"),
        **figures,
    }


def to_text(settings: Settings, totals: Totals) -> list[str]:
    """Give the lines that people read."""
    seconds = max(totals.seconds, 1e-9)
    per = f"{settings.connections} connections, {settings.line_size} bytes a line, {_writes(settings)}"
    amount = f"{totals.lines:,} lines, {_amount(totals.bytes)} in {totals.seconds:.2f} s"
    acknowledged = ", acknowledged" if settings.protocol == "relp" else ""
    said = [
        f"run:        {settings.run} to {settings.host} port {settings.port}, {per}",
        f"sent:       {amount}{acknowledged}",
        f"rate:       {_amount(totals.bytes / seconds)}/s, {totals.lines / seconds:,.0f} lines/s",
    ]
    if totals.unacknowledged:
        count = sum(totals.unacknowledged.values())
        said.append(f"unsettled:  {count:,} more lines are not acknowledged; they may be stored or not")
    elif totals.read_seconds is None:
        what = "was acknowledged" if acknowledged else "the kernel took"
        said.append(f"not read:   the collector did not end every connection; the rate is what {what}")
    if totals.late:
        said.append(f"late:       {totals.late:,} lines were due and are not sent")
    for label, latency in (("latency:", totals.latency_us), ("ack after:", totals.ack_latency_us)):
        if latency:
            figures = ", ".join(f"{name} {_time(value)}" for name, value in latency.items())
            said.append(f"{label:11} {figures}")
    if settings.per_connection:
        made = totals.connections_made
        said.append(f"made:       {made:,} connections, {made / seconds:,.0f}/s")
    said.append(f"reconnects: {totals.reconnects}")
    said += [f"error:      {error} ({count})" for error, count in totals.errors.items()]
    said.append(f"generator:  {verdict(totals.processes, totals.machine)}")
    return said


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
