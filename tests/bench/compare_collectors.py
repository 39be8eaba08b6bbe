"""`make bench`: logd and other collectors under the same load, in turn, round after round.

    python -m tests.bench.compare_collectors [--cell NAME]... [--rounds 3] [--json FILE] [--pictures FOLDER]

Prints the tables of docs/benchmarks.md: the medians of the rounds, with the lowest and the highest. A run in
which lines were lost, doubled, torn or reordered, or the generator was the limit, is marked.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.collectors.cells import CELLS, Cell
from tests.bench.collectors.collector_process import running_collector
from tests.bench.collectors.measurements import Figures
from tests.bench.collectors.systems import SYSTEMS, System
from tests.bench.report.bar_chart import bar_chart
from tests.bench.report.tables import table
from tests.bench.workspace import RunFailed, Unavailable, Workspace
from tests.ports import free_ports

Results = dict[str, list[Figures]]  # by system, a run each


def main() -> int:
    """Compare and return the exit code: 1 if a run failed."""
    options = _parser().parse_args()
    cells = [cell for cell in CELLS if not options.cell or cell.name in options.cell]
    raise_file_limit()
    systems = _available()
    print(
        f"{platform.processor() or platform.machine()}, Linux {platform.release()}, {options.rounds} rounds\n"
    )
    results, failures = {}, []
    steps = sum(cell.includes(system) for cell in cells for system in systems) * options.rounds
    start, done = time.monotonic(), 0
    for cell in cells:
        runs: Results = {system.name: [] for system in systems if cell.includes(system)}
        for number in range(options.rounds):
            for system in (system for system in systems if cell.includes(system)):
                done += 1
                print(f"{time.monotonic() - start:5.0f} s  {done}/{steps}  {cell.name}, round {number + 1}: "
                      f"{system.name}", file=sys.stderr, flush=True)  # fmt: skip
                try:
                    runs[system.name].append(run_once(system, cell, options.dir))
                except (RunFailed, OSError) as error:
                    failures.append(f"{cell.name}: {system.name}: {error}")
        results[cell.name] = runs
        print(table(cell, runs), flush=True)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")
        if options.pictures:
            (options.pictures / f"{cell.name}.svg").write_text(bar_chart(cell, runs))
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def run_once(system: System, cell: Cell, folder: Path | None) -> Figures:
    """Measure a collector once, in a folder of its own."""
    ports = free_ports()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder, ignore_cleanup_errors=True) as name:
        place = Workspace(Path(name), next(ports), next(ports), cell.load.connections)
        with running_collector(system, place) as run:
            return cell.measure(run, cell.load)


def _available() -> list[System]:
    systems = []
    for system in SYSTEMS:
        try:
            print(f"{system.name}: {system.version()}")
            systems.append(system)
        except Unavailable as reason:
            print(f"{system.name}: not measured: {reason}")
    return systems


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--cell",
        action="append",
        choices=[cell.name for cell in CELLS],
        help="only this one; may be repeated",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each cell (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every run")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write an SVG bar chart of each cell")
    parser.add_argument("--dir", type=Path, help="where to write the logs (default: the temporary directory)")
    return parser


def raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
