"""What a load came to: computed from what its processes say, told as text or as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nodelog.load.machine import verdict, was_limit

if TYPE_CHECKING:
    from nodelog.load.crew import Record
    from nodelog.load.latency import Latency
    from nodelog.load.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures of one load."""

    start: int
    """When it began, nanoseconds of time.monotonic of this machine: `planned` writes count from it."""
    lines: int
    """Wholly handed to the kernel."""
    bytes: int
    late: int
    """Lines that were due by the end and are not handed over."""
    handed_seconds: float
    """From the start until the last line was handed over."""
    read_seconds: float | None
    """Until the collector had read all of them and closed its side; None if it has not."""
    reconnects: int
    errors: dict[str, int]
    latency_us: dict[str, int]
    processes: list[float]
    """Which part of a core each process took until the last line was handed over."""
    machine: float | None
    """Which part of all processors was busy, by whatever."""
    sent: dict[str, int]
    """Lines by connection."""

    @property
    def seconds(self) -> float:
        """The time that counts: what is only handed to the kernel is not received."""
        return self.handed_seconds if self.read_seconds is None else self.read_seconds


def total(settings: Settings, record: Record, latency: Latency) -> Totals:
    """Put together what the processes did; their latencies are merged into `latency`."""
    errors: Counter[str] = Counter()
    sent: dict[str, int] = {}
    reads = []
    for outcome in record.outcomes:
        errors.update(outcome.errors)
        sent |= outcome.sent
        latency.merge(outcome.latency)
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
        reconnects=sum(outcome.reconnects for outcome in record.outcomes),
        errors=dict(errors),
        latency_us=latency.figures(),
        processes=[
            round(outcome.cpu / max(1e-9, (outcome.handed - record.start) / 1e9), 4)
            for outcome in record.outcomes
        ],
        machine=record.machine,
        sent=dict(sorted(sent.items(), key=lambda item: int(item[0]))),
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
    said = [
        f"run:        {settings.run} to {settings.host} port {settings.port}, {per}",
        f"sent:       {totals.lines:,} lines, {_amount(totals.bytes)} in {totals.seconds:.2f} s",
        f"rate:       {_amount(totals.bytes / seconds)}/s, {totals.lines / seconds:,.0f} lines/s",
    ]
    if totals.read_seconds is None:
        said.append(
            "not read:   the collector did not end every connection; the rate is what the kernel took"
        )
    if totals.late:
        said.append(f"late:       {totals.late:,} lines were due and are not sent")
    if totals.latency_us:
        figures = ", ".join(f"{name} {_time(value)}" for name, value in totals.latency_us.items())
        said.append(f"latency:    {figures}")
    said.append(f"reconnects: {totals.reconnects}")
    said += [f"error:      {error} ({count})" for error, count in totals.errors.items()]
    said.append(f"generator:  {verdict(totals.processes, totals.machine)}")
    return said


def _writes(settings: Settings) -> str:
    return f"{settings.write_lines} lines a write" if settings.write_lines > 1 else "one line a write"


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 (of the next unit)
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def _time(microseconds: int) -> str:
    return f"{microseconds / 1000:g} ms" if microseconds >= 1000 else f"{microseconds} µs"  # noqa: PLR2004 (the next unit)
