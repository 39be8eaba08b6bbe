"""`make bench`, second half: logcd and `tar czf` on the same logs, in turn, round after round.

    python -m tests.bench.compare_archivers [--cell NAME]... [--rounds 3] [--json FILE] [--dir FOLDER]

Prints the tables of docs/benchmarks.md: the medians of the rounds, with the lowest and the highest. After
each cell, tar compares logcd's archive with the files.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.archivers.cells import CELLS, Runs
from tests.bench.report.tables import archive_table
from tests.bench.workspace import RunFailed, Unavailable, version_line


def main() -> int:
    """Compare and return the exit code: 1 if a cell failed."""
    options = _parser().parse_args()
    print(f"{platform.machine()}, Linux {platform.release()}, {options.rounds} rounds")
    print(f"{version_line('tar', '--version')}, {version_line('gzip', '--version')}\n")
    results: dict[str, Runs] = {}
    failures = []
    for cell in (cell for cell in CELLS if not options.cell or cell.name in options.cell):
        print(f"{time.process_time():5.0f} s  {cell.name}", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as name:
                results[cell.name] = cell.measure(Path(name), options.rounds)
        except Unavailable as reason:
            print(f"{cell.name}: not measured: {reason}\n")
        except (RunFailed, OSError) as error:
            failures.append(f"{cell.name}: {error}")
        else:
            print(archive_table(cell, results[cell.name]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [cell.name for cell in CELLS]
    parser.add_argument("--cell", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each cell (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every run")
    parser.add_argument("--dir", type=Path, help="where to write the logs (default: the temporary directory)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
