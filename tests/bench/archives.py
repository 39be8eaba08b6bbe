"""`make bench`, the other half: logcd and `tar czf` on the same logs, in turn, round after round.

    python -m tests.bench.archives [--cell NAME]... [--rounds 3] [--json FILE] [--dir FOLDER]

Prints the tables of docs/benchmarks.md: the medians of the rounds, with the lowest and the highest. After
each cell tar compares what is in logcd's archive with the files.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.archive_cells import CELLS, Runs
from tests.bench.places import Missing, says
from tests.bench.running import Failed
from tests.bench.tables import archive_table


def main() -> int:
    """Compare; give the exit code: 1 if a cell failed."""
    given = _parser().parse_args()
    print(f"{platform.machine()}, Linux {platform.release()}, {given.rounds} rounds")
    print(f"{says('tar', '--version')}, {says('gzip', '--version')}\n")
    results: dict[str, Runs] = {}
    failures = []
    for cell in (cell for cell in CELLS if not given.cell or cell.name in given.cell):
        print(f"{time.process_time():5.0f} s  {cell.name}", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=given.dir) as name:
                results[cell.name] = cell.measure(Path(name), given.rounds)
        except Missing as missing:
            print(f"{cell.name}: not measured: {missing}\n")
        except (Failed, OSError) as error:
            failures.append(f"{cell.name}: {error}")
        else:
            print(archive_table(cell, results[cell.name]), flush=True)
        if given.json:
            given.json.write_text(json.dumps(results, indent=1) + "\n")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [cell.name for cell in CELLS]
    parser.add_argument("--cell", action="append", choices=names, help="only this one")
    parser.add_argument("--rounds", type=int, default=3, help="of each cell (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures")
    parser.add_argument("--dir", type=Path, help="where the logs lie (default: the temporary directory)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
