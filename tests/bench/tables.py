"""The figures of a cell as a table that people read, in Markdown."""

from __future__ import annotations

from math import isfinite
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.measuring import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.archive_cells import Cell as ArchiveCell
    from tests.bench.cells import Cell
    from tests.bench.measuring import Figures

HEADS: dict[str, tuple[str, Callable[[float], str]]] = {
    "bytes_per_second": ("GB/s", lambda value: f"{value / 1e9:.2f}"),
    "lines_per_second": ("lines/s", lambda value: f"{value:,.0f}"),
    "cpu_seconds_per_gb": ("CPU-s/GB", lambda value: f"{value:.2f}"),
    "cpu_us_per_line": ("CPU µs/line", lambda value: f"{value:.2f}"),
    "peak_rss": ("peak RSS, MB", lambda value: f"{value / 1e6:.0f}"),
    "rss": ("RSS, MB", lambda value: f"{value / 1e6:.1f}"),
    "core": ("of a core", lambda value: f"{value:.1%}"),
    "start": ("start to first connection, s", lambda value: f"{value:.2f}"),
    "sending_p99": ("p99 of a write, ms", lambda value: f"{value * 1e3:.2f}"),
    "p50": ("p50, ms", lambda value: f"{value * 1e3:.2f}"),
    "p99": ("p99, ms", lambda value: f"{value * 1e3:.2f}"),
    "worst": ("worst, ms", lambda value: f"{value * 1e3:.2f}"),
    "cpu": ("CPU, ms", lambda value: f"{value * 1e3:,.{1 if value < 0.1 else 0}f}"),
    "cpu_of": ("CPU of tar's", lambda value: f"1/{1 / value:.0f}" if value < 0.1 else f"{value:.2f}"),
    "seconds": ("time, s", lambda value: f"{value:.2f}"),
    "size": ("archive, MB", lambda value: f"{value / 1e6:,.1f}"),
    "size_of": ("size of tar's", lambda value: f"{value:.3f}"),
}
LESS_IS_BETTER = set(HEADS) - {"bytes_per_second", "lines_per_second"}


def table(cell: Cell, results: dict[str, list[Figures]]) -> str:
    """Give the table of one cell; by its first figure the first system is compared with the others."""
    heads = ["", *(HEADS[name][0] for name in cell.shown), f"{next(iter(results))} against it", "remarks"]
    rows = [heads, ["---"] * len(heads)]
    for system, runs in results.items():
        if runs:
            figures = [_spread(name, [run[name] for run in runs]) for name in cell.shown]
            rows.append([system, *figures, _against(cell, next(iter(results.values())), runs), remarks(runs)])
    return "\n".join([f"**{cell.title}** (`CELL={cell.name}`)\n", *(_row(row) for row in rows), ""])


def archive_table(cell: ArchiveCell, results: dict[str, list[Figures]]) -> str:
    """Give the table of one cell of archives; what is compared with tar is among its figures."""
    rows = [["", *(HEADS[name][0] for name in cell.shown)], ["---"] * (len(cell.shown) + 1)]
    rows += [
        [row, *(_spread(name, [run[name] for run in runs if name in run]) for name in cell.shown)]
        for row, runs in results.items()
    ]
    return "\n".join([f"**{cell.title}** (`CELL={cell.name}`)\n", *(_row(row) for row in rows), ""])


def remarks(runs: list[Figures]) -> str:
    """Say what keeps the figures of some runs from counting."""
    said = []
    if limited := sum(run.get("limited", 0) for run in runs):
        said.append(f"the generator was the limit in {limited:.0f} of {len(runs)}")
    full = [run["machine"] for run in runs if run.get("machine", 0) >= 0.9]
    if full:
        said.append(f"the machine was full in {len(full)}")
    said += [f"{name} {found:,.0f}" for name in TROUBLES if (found := sum(run.get(name, 0) for run in runs))]
    return "; ".join(said)


def _against(cell: Cell, ours: list[Figures], theirs: list[Figures]) -> str:
    name = cell.shown[0]
    ratios = [mine[name] / other[name] for mine, other in zip(ours, theirs, strict=False) if other[name]]
    return f"{median(ratios):.2f}" if ratios else ""


def _spread(name: str, values: list[float]) -> str:
    text = HEADS[name][1]
    if not values:
        return ""
    if not all(map(isfinite, values)):
        return "unknown"
    middle, low, high = text(median(values)), text(min(values)), text(max(values))
    return middle if low == high else f"{middle} ({low} to {high})"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
