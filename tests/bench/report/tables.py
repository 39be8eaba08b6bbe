"""The figures of a cell as a Markdown table."""

from __future__ import annotations

from math import isfinite
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.collectors.measurements import LINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.archivers.cells import Cell as ArchiveCell
    from tests.bench.collectors.cells import Cell
    from tests.bench.collectors.measurements import Figures

COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "bytes_per_second": ("GB/s", lambda value: f"{value / 1e9:.2f}"),
    "lines_per_second": ("lines/s", lambda value: f"{value:,.0f}"),
    "connections_per_second": ("connections/s", lambda value: f"{value:,.0f}"),
    "cpu_us_per_connection": ("CPU µs/connection", lambda value: f"{value:.1f}"),
    "cpu_seconds_per_gb": ("CPU-s/GB", lambda value: f"{value:.2f}"),
    "cpu_us_per_line": ("CPU µs/line", lambda value: f"{value:.2f}"),
    "peak_rss": ("peak RSS, MB", lambda value: f"{value / 1e6:.0f}"),
    "rss": ("RSS, MB", lambda value: f"{value / 1e6:.1f}"),
    "core": ("share of a core", lambda value: f"{value:.1%}"),
    "start": ("start to first connection, s", lambda value: f"{value:.2f}"),
    "sending_p99": ("p99 of a write, ms", lambda value: f"{value * 1e3:.2f}"),
    "p50": ("p50, ms", lambda value: f"{value * 1e3:.2f}"),
    "p99": ("p99, ms", lambda value: f"{value * 1e3:.2f}"),
    "worst": ("worst, ms", lambda value: f"{value * 1e3:.2f}"),
    "cpu": ("CPU, ms", lambda value: f"{value * 1e3:,.{1 if value < 0.1 else 0}f}"),
    "cpu_of": ("CPU/tar", lambda value: f"1/{1 / value:.0f}" if value < 0.1 else f"{value:.2f}"),
    "seconds": ("time, s", lambda value: f"{value:.2f}"),
    "size": ("archive, MB", lambda value: f"{value / 1e6:,.1f}"),
    "size_of": ("size/tar", lambda value: f"{value:.3f}"),
}
LESS_IS_BETTER = set(COLUMNS) - {"bytes_per_second", "lines_per_second", "connections_per_second"}


def table(cell: Cell, results: dict[str, list[Figures]]) -> str:
    """Return the table of a cell; the first collector is compared with each by the cell's first figure."""
    header = ["", *(COLUMNS[name][0] for name in cell.shown), f"{next(iter(results))}/other", "remarks"]
    rows = [header, ["---"] * len(header)]
    for system, runs in results.items():
        if runs:
            figures = [_spread(name, [run[name] for run in runs]) for name in cell.shown]
            rows.append([system, *figures, _ratio(cell, next(iter(results.values())), runs), remarks(runs)])
    return "\n".join([f"**{cell.title}** (`CELL={cell.name}`)\n", *(_row(row) for row in rows), ""])


def archive_table(cell: ArchiveCell, results: dict[str, list[Figures]]) -> str:
    """Return the table of a cell of archives; its figures include the comparison with tar."""
    rows = [["", *(COLUMNS[name][0] for name in cell.shown)], ["---"] * (len(cell.shown) + 1)]
    rows += [
        [row, *(_spread(name, [run[name] for run in runs if name in run]) for name in cell.shown)]
        for row, runs in results.items()
    ]
    return "\n".join([f"**{cell.title}** (`CELL={cell.name}`)\n", *(_row(row) for row in rows), ""])


def remarks(runs: list[Figures]) -> str:
    """Return the remarks on runs whose figures are not to be trusted."""
    parts = []
    if limited := sum(run.get("limited", 0) for run in runs):
        parts.append(f"the generator was the limit in {limited:.0f} of {len(runs)}")
    full = [run["machine"] for run in runs if run.get("machine", 0) >= 0.9]
    if full:
        parts.append(f"the machine was full in {len(full)}")
    if failed := sum(run.get("failed", 0) for run in runs):
        parts.append(f"failed connections {failed:,.0f}")
    parts += [
        f"{name} {count:,.0f}" for name in LINE_ERRORS if (count := sum(run.get(name, 0) for run in runs))
    ]
    return "; ".join(parts)


def _ratio(cell: Cell, first: list[Figures], others: list[Figures]) -> str:
    name = cell.shown[0]
    ratios = [one[name] / other[name] for one, other in zip(first, others, strict=False) if other[name]]
    return f"{median(ratios):.2f}" if ratios else ""


def _spread(name: str, values: list[float]) -> str:
    text = COLUMNS[name][1]
    if not values:
        return ""
    if not all(map(isfinite, values)):
        return "unknown"
    middle, low, high = text(median(values)), text(min(values)), text(max(values))
    return middle if low == high else f"{middle} ({low} to {high})"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
