"""Soak test: an hour of mixed load on one log (`python -m tests.soak.mixed_load`).

With rotation, gzip, retention and restarts. Rounds take about a minute; after each round, every line of it is
verified in the files. Prints a line per round, FAULT lines and a summary; Ctrl-C ends it with the summary so
far. Exit code 1 if there was a fault; then the files of the first faulty round are kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.processes.logd import Logd
from tests.soak import fault_rules
from tests.soak.mixed_load_scenes import ONE_PROCESS, RESTARTS, Scene
from tests.soak.rounds import Round, RoundRunner

from nodelog import quantities
from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

RETAINED = 1.25
"""Retention keeps this multiple of the largest round, so that no line is removed before it is verified."""


class MixedLoadSoak:
    """One logd over all rounds, its log in `folder`; `rounds` and `faults` are the results."""

    def __init__(self, folder: Path, seconds: float, rotate_size: str) -> None:
        self.rounds: list[Round] = []
        self.faults: list[str] = []
        self._folder = folder
        self._log = folder / "store" / "node_log"
        self._seconds = seconds
        self._rotate_size = rotate_size

    @property
    def remaining_files(self) -> int:
        """The number of sealed files that retention has not removed."""
        return len(FileNames.resolve(self._log).sealed_files())

    def run(self, scenes: Iterable[Scene], volume: int) -> None:
        """Run a round for each scene; none sends more than `volume` bytes. Ctrl-C ends the run."""
        try:
            with self._logd(volume) as logd:
                for scene in scenes:
                    self._run_round(logd, scene)
                if code := logd.stop():
                    self._report(f"logd exited with {code}")
        except KeyboardInterrupt:
            print("interrupted: the current round does not count")
        except (pytest.fail.Exception, AssertionError) as error:
            self._report(f"round {len(self.rounds) + 1} cannot continue: {str(error)[:500]}")
        for fault in fault_rules.memory_faults([one.memory for one in self.rounds]):
            self._report(fault)

    def _run_round(self, logd: Logd, scene: Scene) -> None:
        number = len(self.rounds) + 1
        folder = self._folder / f"round-{number}"
        result = RoundRunner(logd, scene, folder, f"r{number}").run(self._seconds * scene.time_share)
        if not result.faults or self.faults:  # the files of the first faulty round are kept
            shutil.rmtree(folder)
        self.rounds.append(result)
        print(report_line(number, result), flush=True)
        for fault in result.faults:
            self._report(f"round {number} ({scene.name}): {fault}")

    def _report(self, fault: str) -> None:
        self.faults.append(fault)
        print(f"FAULT: {fault}", flush=True)

    @contextmanager
    def _logd(self, volume: int) -> Generator[Logd]:
        self._log.parent.mkdir()
        options = [f"--rotate-size={self._rotate_size}", f"--keep-bytes={round(RETAINED * volume)}"]
        env = {name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
        logd = Logd(self._log, options, env, [])
        try:
            logd.wait_ready()
            yield logd
        finally:
            logd.close()
            (self._folder / "logd.stderr").write_text("\n".join([*logd.stderr, ""]))


def report_line(number: int, result: Round) -> str:
    """Return the figures of a round on one line."""
    size = result.total("bytes")
    p99 = f"{result.p99 * 1000:7.1f} ms" if result.p99 is not None else "         -"
    errors = (f"{what} {result.total(what):,}" for what in ("lost", "doubled", "torn", "reordered"))
    return (
        f"{number:3} {result.scene.name:17}  {size / 1e9:5.2f} GB {size / result.seconds / 1e6:5.0f} MB/s  "
        f"RSS {result.memory.rss / 1e6:4.1f} MB  sealed {result.sealed:2}  p99 {p99}  {'  '.join(errors)}"
    )


def summary(soak: MixedLoadSoak, seconds: float) -> str:
    """Return the figures of all rounds."""
    rounds = soak.rounds
    first, last = fault_rules.first_and_last_quarter([one.memory for one in rounds])
    restarted = [one for one in rounds if one.memory.restarts]
    parts = [
        f"{len(rounds)} rounds in {seconds / 60:.1f} min",
        f"{sum(one.total('bytes') for one in rounds) / 1e9:.1f} GB",
        f"{sum(one.total('sent') for one in rounds):,} lines",
        f"{sum(one.sealed for one in rounds)} files sealed and {soak.remaining_files} left",
        f"{sum(one.total('lost') for one in restarted):,} lines lost by {len(restarted)} restarts",
    ]
    if first:
        parts.append(f"RSS up to {first / 1e6:.1f} MB in the first quarter, {last / 1e6:.1f} MB in the last")
    return ", ".join([*parts, f"{len(soak.faults)} faults"])


def schedule(seconds: float) -> Generator[Scene]:
    """Yield scenes for `seconds`: without restarts in the first half, then with restarts."""
    start, calm, rough = time.monotonic(), cycle(ONE_PROCESS), cycle(RESTARTS)
    while (passed := time.monotonic() - start) < seconds:
        yield next(calm) if passed < seconds / 2 else next(rough)


def main() -> int:
    """Run the soak test and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--for", type=quantities.parse_duration, default="1h", dest="time", help="how long (default 1h)")
    add(
        "--round",
        type=quantities.parse_duration,
        default="45s",
        help="how long the loads of a round send (default 45s)",
    )
    add("--rotate-size", default="128MiB", help="rotation size of the log (default 128MiB)")
    add("--dir", type=Path, help="where to write the log (default: the temporary directory)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    volume = max(scene.volume(options.round) for scene in (*ONE_PROCESS, *RESTARTS))
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=options.dir))
    soak, start = MixedLoadSoak(folder, options.round, options.rotate_size), time.monotonic()
    try:
        if (free := shutil.disk_usage(folder).free) < (needed := round(2 * RETAINED * volume)):
            parser.error(f"{folder} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB needed; see --dir")
        soak.run(schedule(options.time), volume)
        print(summary(soak, time.monotonic() - start))
    finally:
        if soak.faults:
            print(f"the stderr of logd and the files of the first faulty round are in {folder}")
        else:
            shutil.rmtree(folder)
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
