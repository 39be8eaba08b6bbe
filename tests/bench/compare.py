"""`make bench`: logd and others under the same load, in turn, round after round.

    python -m tests.bench.compare [--cell NAME]... [--rounds 3] [--json FILE] [--pictures FOLDER]

Prints the tables of docs/benchmarks.md: the medians of the rounds, with the lowest and the highest.
A run in which a line was lost, doubled, torn or reordered, or the generator was the limit, is marked.
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

from tests.bench.cells import CELLS, Cell
from tests.bench.measuring import Figures
from tests.bench.pictures import picture
from tests.bench.places import Missing, Place
from tests.bench.running import Failed, running
from tests.bench.systems import SYSTEMS, System
from tests.bench.tables import table
from tests.ports import free_ports

Results = dict[str, list[Figures]]  # by system, a run each


def main() -> int:
    """Compare; give the exit code: 1 if a run failed or lost a line of ours."""
    given = _parser().parse_args()
    cells = [cell for cell in CELLS if not given.cell or cell.name in given.cell]
    raise_file_limit()
    systems = _available()
    print(
        f"{platform.processor() or platform.machine()}, Linux {platform.release()}, {given.rounds} rounds\n"
    )
    results, failures = {}, []
    steps = sum(cell.takes(system) for cell in cells for system in systems) * given.rounds
    start, done = time.monotonic(), 0
    for cell in cells:
        found: Results = {system.name: [] for system in systems if cell.takes(system)}
        for number in range(given.rounds):
            for system in (system for system in systems if cell.takes(system)):
                done += 1
                print(f"{time.monotonic() - start:5.0f} s  {done}/{steps}  {cell.name}, round {number + 1}: "
                      f"{system.name}", file=sys.stderr, flush=True)  # fmt: skip
                try:
                    found[system.name].append(run_once(system, cell, given.dir))
                except (Failed, OSError) as error:
                    failures.append(f"{cell.name}: {system.name}: {error}")
        results[cell.name] = found
        print(table(cell, found), flush=True)
        if given.json:
            given.json.write_text(json.dumps(results, indent=1) + "\n")
        if given.pictures:
            (given.pictures / f"{cell.name}.svg").write_text(picture(cell, found))
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def run_once(system: System, cell: Cell, folder: Path | None) -> Figures:
    """Measure one system once, in a folder of its own."""
    ports = free_ports()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder, ignore_cleanup_errors=True) as name:
        place = Place(Path(name), next(ports), next(ports), cell.load.connections)
        with running(system, place) as run:
            return cell.measure(run, cell.load)


def _available() -> list[System]:
    systems = []
    for system in SYSTEMS:
        try:
            print(f"{system.name}: {system.version()}")
            systems.append(system)
        except Missing as missing:
            print(f"{system.name}: not measured: {missing}")
    return systems


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--cell", action="append", choices=[cell.name for cell in CELLS], help="only this one"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each cell (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write a picture (SVG) of each cell")
    parser.add_argument("--dir", type=Path, help="where the logs lie (default: the temporary directory)")
    return parser


def raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
