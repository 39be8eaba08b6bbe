"""Measure the memory of logcd with many small logs, a few of which change between cycles.

    python -m tests.bench.many_files [FILES] [CHANGED] [--dir FOLDER]

Prints for each cycle its result, its time, its CPU time and the peak memory of the process so far (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE: Final = 100  # bytes of a log
CYCLES: Final = 5


def main() -> None:
    """Parse the arguments, write the logs and run the cycles."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=int, nargs="?", default=200_000, help="default: %(default)s")
    parser.add_argument("changed", type=int, nargs="?", default=100, help="default: %(default)s")
    parser.add_argument("--dir", type=Path, help="a folder for the logs; default: a temporary one")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.dir) as name:
        logs, out = Path(name, "log"), Path(name, "out")
        logs.mkdir()
        out.mkdir()
        for number in range(options.files):
            (logs / f"app-{number:07}.log").write_text(_line(number))
        print("| cycle | changed | time, s | CPU, s | VmHWM, MiB |\n| --- | --- | --- | --- | --- |")
        for number, cycle in enumerate(_cycles(logs, out, options.files, options.changed)):
            figures = cycle["changed_files"], cycle["seconds"], cycle["cpu_seconds"], cycle["peak"]
            print(f"| {number} |", " | ".join(map(str, figures)), "|", flush=True)
        sizes = {path.suffix: path.stat().st_size for path in out.glob("all-logs-*")}
        print(f"archive: {sizes['.gz']} bytes, index: {sizes['.index']} bytes")


def _cycles(logs: Path, out: Path, files: int, changed: int) -> Iterator[dict[str, Any]]:
    """Run logcd; yield what it says of each cycle that wrote an archive, and change logs after it."""
    program = str(Path(sysconfig.get_path("scripts"), "logcd"))
    command = [program, f"--dir={logs}", f"--out={out}", "--every=1s"]
    with subprocess.Popen(
        [*command, "--http=127.0.0.1:0", "--log-level=debug"], stderr=subprocess.PIPE, text=True
    ) as logcd:
        assert logcd.stderr is not None
        done = 0
        for line in logcd.stderr:
            if json.loads(line).get("result") != "published":
                continue
            yield json.loads(line) | {"peak": _peak(logcd.pid)}
            done += 1
            if done == CYCLES:
                break
            for number in random.sample(range(files), changed):
                with (logs / f"app-{number:07}.log").open("a") as log:
                    log.write(_line(number))
        logcd.terminate()
        logcd.stderr.read()


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def _line(number: int) -> str:
    return f"2026-11-30 log {number} {number * 2654435761 % 2**32:08x} ".ljust(SIZE - 1, ".") + "\n"


if __name__ == "__main__":
    main()
