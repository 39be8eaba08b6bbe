"""An hour of mixed load on one log, with rotation, gzip, retention and restarts: `python -m tests.soak.run`.

Round after round of about a minute; after each every line of it is looked for in the files. Prints a line per
round, FAULT lines for what must not be, and a summary; Ctrl-C ends it with the summary so far. Exit code 1
if there was a fault; then the files of the first round with one are kept.
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
from tests.soak import faults
from tests.soak.rounds import Round, Stage
from tests.soak.scenes import MANY_LIVES, ONE_LIFE, Scene

from nodelog import quantities
from nodelogd.collector.store.file_names import FileNames

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

ROOM = 1.25
"""How many times the lines of the largest round retention leaves, so that none is removed unseen."""


class Soak:
    """One logd over all rounds, its log in `folder`; `rounds` and `faults` are what came of it."""

    def __init__(self, folder: Path, seconds: float, rotate_size: str) -> None:
        self.rounds: list[Round] = []
        self.faults: list[str] = []
        self._folder = folder
        self._log = folder / "store" / "node_log"
        self._seconds = seconds
        self._rotate_size = rotate_size

    @property
    def left(self) -> int:
        """How many finished files retention has left."""
        return len(FileNames.resolve(self._log).sealed_files())

    def run(self, scenes: Iterable[Scene], volume: int) -> None:
        """Play rounds, of so many bytes at most, until there are no more; after Ctrl-C none is begun."""
        try:
            with self._logd(volume) as logd:
                for scene in scenes:
                    self._play(logd, scene)
                if code := logd.stop():
                    self._blame(f"logd exited with {code}")
        except KeyboardInterrupt:
            print("interrupted: the round that was under way does not count")
        except (pytest.fail.Exception, AssertionError) as error:
            self._blame(f"round {len(self.rounds) + 1} cannot go on: {str(error)[:500]}")
        for fault in faults.of_memory([one.memory for one in self.rounds]):
            self._blame(fault)

    def _play(self, logd: Logd, scene: Scene) -> None:
        number = len(self.rounds) + 1
        folder = self._folder / f"round-{number}"
        done = Stage(logd, scene, folder, f"r{number}").play(self._seconds * scene.part)
        if not done.faults or self.faults:  # the files of the first one with a fault are kept
            shutil.rmtree(folder)
        self.rounds.append(done)
        print(line(number, done), flush=True)
        for fault in done.faults:
            self._blame(f"round {number} ({scene.name}): {fault}")

    def _blame(self, fault: str) -> None:
        self.faults.append(fault)
        print(f"FAULT: {fault}", flush=True)

    @contextmanager
    def _logd(self, volume: int) -> Generator[Logd]:
        self._log.parent.mkdir()
        options = [f"--rotate-size={self._rotate_size}", f"--keep-bytes={round(ROOM * volume)}"]
        env = {name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
        logd = Logd(self._log, options, env, [])
        try:
            logd.wait_ready()
            yield logd
        finally:
            logd.close()
            (self._folder / "logd.stderr").write_text("\n".join([*logd.stderr, ""]))


def line(number: int, done: Round) -> str:
    """Give the figures of a round."""
    size = done.total("bytes")
    p99 = f"{done.p99 * 1000:7.1f} ms" if done.p99 is not None else "         -"
    troubles = (f"{what} {done.total(what):,}" for what in ("lost", "doubled", "torn", "reordered"))
    return (
        f"{number:3} {done.scene.name:17}  {size / 1e9:5.2f} GB {size / done.seconds / 1e6:5.0f} MB/s  "
        f"RSS {done.memory.rss / 1e6:4.1f} MB  sealed {done.sealed:2}  p99 {p99}  {'  '.join(troubles)}"
    )


def summary(soak: Soak, seconds: float) -> str:
    """Give the figures of all rounds."""
    rounds = soak.rounds
    first, last = faults.quarters([one.memory for one in rounds])
    restarted = [one for one in rounds if one.memory.restarts]
    parts = [
        f"{len(rounds)} rounds in {seconds / 60:.1f} min",
        f"{sum(one.total('bytes') for one in rounds) / 1e9:.1f} GB",
        f"{sum(one.total('sent') for one in rounds):,} lines",
        f"{sum(one.sealed for one in rounds)} files sealed and {soak.left} left",
        f"{sum(one.total('lost') for one in restarted):,} lines lost by {len(restarted)} restarts",
    ]
    if first:
        parts.append(f"RSS up to {first / 1e6:.1f} MB in the first quarter, {last / 1e6:.1f} MB in the last")
    return ", ".join([*parts, f"{len(soak.faults)} faults"])


def planned(seconds: float) -> Generator[Scene]:
    """Give scenes for so many seconds: in the first half those of one life, then those with restarts."""
    start, calm, rough = time.monotonic(), cycle(ONE_LIFE), cycle(MANY_LIVES)
    while (passed := time.monotonic() - start) < seconds:
        yield next(calm) if passed < seconds / 2 else next(rough)


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--for", type=quantities.parse_duration, default="1h", dest="time", help="how long (default 1h)")
    add(
        "--round",
        type=quantities.parse_duration,
        default="45s",
        help="time for the loads of a round (default 45s)",
    )
    add("--rotate-size", default="128MiB", help="of the log (default 128MiB)")
    add("--dir", type=Path, help="where the log lies (default: the temporary directory)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    volume = max(scene.volume(options.round) for scene in (*ONE_LIFE, *MANY_LIVES))
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=options.dir))
    soak, start = Soak(folder, options.round, options.rotate_size), time.monotonic()
    try:
        if (free := shutil.disk_usage(folder).free) < (least := round(2 * ROOM * volume)):
            parser.error(f"{folder} has {free / 1e9:.0f} GB free, {least / 1e9:.0f} GB needed; see --dir")
        soak.run(planned(options.time), volume)
        print(summary(soak, time.monotonic() - start))
    finally:
        if soak.faults:
            print(f"what logd said, and the files of the first fault, are in {folder}")
        else:
            shutil.rmtree(folder)
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
