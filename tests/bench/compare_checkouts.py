"""`make bench AGAINST=DIR`: logd of this checkout and of another one under the same load, in turn.

    python -m tests.bench.compare_checkouts DIR [--cell NAME]... [--pairs 7] [--dir DIR]

DIR is a checkout with a `.venv` (run `make venv` there). Both are loaded by this checkout's generator.
Each pair swaps which of the two goes first, and the figure that counts is the median of the ratios pair by
pair, so that a machine whose speed drifts does not favour one of them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.collectors.cells import CELLS
from tests.bench.collectors.systems import SYSTEMS
from tests.bench.compare_collectors import raise_file_limit, run_once
from tests.bench.report.tables import COLUMNS
from tests.bench.workspace import RunFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.collectors.cells import Cell
    from tests.bench.collectors.measurements import Figures
    from tests.bench.collectors.systems import System
    from tests.bench.workspace import Workspace

DEFAULT_CELLS = ("blocks-64", "single-8", "single-64", "acks", "idle-0")
OURS = ("logd", "RELP, batch")  # the systems of a cell that are compared


def main() -> int:
    """Compare and return the exit code: 1 if a run failed."""
    options = _parser().parse_args()
    cells = [cell for cell in CELLS if cell.name in (options.cell or DEFAULT_CELLS)]
    raise_file_limit()
    for cell in cells:
        system = next(system for system in SYSTEMS if system.name in OURS and cell.includes(system))
        other = replace(system, command=partial(command_of, system, options.checkout))
        try:
            pairs = list(measured_pairs(cell, (system, other), options.pairs, options.dir))
        except (RunFailed, OSError) as error:
            print(f"FAILED: {cell.name}: {error}", file=sys.stderr)
            return 1
        print(table(pairs, cell), flush=True)
    return 0


def command_of(system: System, checkout: Path, place: Workspace) -> list[str]:
    """Return the command of a system with the program of another checkout."""
    program, *options = system.command(place)
    return [str(checkout / ".venv" / "bin" / Path(program).name), *options]


def measured_pairs(
    cell: Cell, systems: tuple[System, System], count: int, folder: Path | None
) -> Iterator[tuple[Figures, Figures]]:
    """Measure both in turn; yield this checkout's figures and the other's."""
    for number in range(count):
        print(f"{cell.name}, pair {number + 1} of {count}", file=sys.stderr, flush=True)
        order = (0, 1) if number % 2 == 0 else (1, 0)
        figures = {which: run_once(systems[which], cell, folder) for which in order}
        yield figures[0], figures[1]


def table(pairs: list[tuple[Figures, Figures]], cell: Cell) -> str:
    """Return the table of a cell: both medians, and the median of the ratios."""
    lines = [
        f"**{cell.title}** (`CELL={cell.name}`, {len(pairs)} pairs)\n",
        "|  | this | other | this/other, median (lowest to highest) |",
        "| --- | --- | --- | --- |",
    ]
    for name in cell.shown:
        head, shown = COLUMNS[name]
        ratios = sorted(this[name] / other[name] for this, other in pairs if other[name])
        medians = [shown(median(figures[name] for figures in side)) for side in zip(*pairs, strict=True)]
        spread = f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})" if ratios else ""
        lines.append(f"| {head} | {medians[0]} | {medians[1]} | {spread} |")
    return "\n".join([*lines, ""])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path, metavar="DIR", help="the other checkout, with its .venv")
    parser.add_argument(
        "--cell",
        action="append",
        choices=[cell.name for cell in CELLS],
        help=f"only this one; may be repeated (default: {', '.join(DEFAULT_CELLS)})",
    )
    parser.add_argument("--pairs", type=int, default=7, help="pairs of each cell (default 7)")
    parser.add_argument("--dir", type=Path, help="where to write the logs (default: the temporary directory)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
