"""The cells of the archive comparison: which logs, what changes in them, and which figures are shown."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.bench.archivers.sample_logs import SampleLogs
from tests.bench.archivers.tar_and_logcd import MeasuredLogcd, assert_archive_matches, measure_tar
from tests.bench.workspace import find_program, run_setup

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.bench.collectors.measurements import Figures

Runs = dict[str, list["Figures"]]  # by row

GIB = 1024**3
FILES = 20
SMALL_FILES = 10_000
SMALL_FILE_SIZE = 8_000  # bytes, on average
GROWN_SMALL_FILES = 10  # per cycle
PERCENT = 100
DAY = 1440  # cycles
DAY_SIZE = 256 * 1024**2  # bytes of a log after a day
IDLE_CYCLES = 50
MEASURED_CYCLES = 40  # at the end of a day
STRACED = ("find", "/usr/share", "/usr/lib", "-type", "f", "-size", "+1M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One comparison."""

    name: str
    title: str
    measure: Callable[[Path, int], Runs]
    """Takes an empty folder and the number of rounds."""
    shown: tuple[str, ...] = ("cpu", "cpu_of", "seconds", "size", "size_of", "peak_rss")


def first_archive(folder: Path, rounds: int) -> Runs:
    """Archive everything for the first time."""
    logs = sample_logs(folder / "log")
    return _in_turn(folder, logs.folder, rounds, fresh=True)


def growth(folder: Path, rounds: int) -> Runs:
    """Archive again after each file has grown by a hundredth."""
    logs = sample_logs(folder / "log")
    return _in_turn(folder, logs.folder, rounds, lambda: _grow(logs, logs.size // FILES // PERCENT))


def growth_on_xfs(folder: Path, rounds: int) -> Runs:
    """Do the same on a file system where files can share extents."""
    with xfs(folder) as path:
        return growth(path, rounds)


def no_change(folder: Path, rounds: int) -> Runs:
    """Run cycles that find nothing new."""
    logs = sample_logs(folder / "log")
    with _running_logcd(logs.folder) as daemon:
        return {"logcd": [daemon.measure_idle_cycles(IDLE_CYCLES) for _ in range(rounds)]}


def small_files(folder: Path, rounds: int) -> Runs:
    """Archive many small files of which a few have grown."""
    (folder / "log").mkdir()
    logs = SampleLogs(
        folder / "log",
        [SMALL_FILE_SIZE // 4 + number * 7919 % (SMALL_FILE_SIZE * 3 // 2) for number in range(SMALL_FILES)],
    )
    numbers = iter(range(0, SMALL_FILES * rounds, SMALL_FILES // GROWN_SMALL_FILES - 1))

    def grow_some() -> None:
        for _ in range(GROWN_SMALL_FILES):
            logs.grow(next(numbers) % SMALL_FILES, SMALL_FILE_SIZE // PERCENT)

    runs = _in_turn(folder, logs.folder, rounds, grow_some)
    with _running_logcd(logs.folder) as daemon:
        runs["logcd, no change"] = [daemon.measure_idle_cycles(IDLE_CYCLES) for _ in range(rounds)]
    return runs


def real_logs(folder: Path, rounds: int) -> Runs:
    """Archive the /var/log of this machine and the output of strace."""
    logs = folder / "log"
    logs.mkdir()
    for number, path in enumerate(sorted(Path("/var/log").rglob("*"))):
        if path.is_file() and not path.is_symlink() and path.suffix not in {".gz", ".xz", ".journal"}:
            shutil.copy(path, logs / f"{number}-{path.stem}.log")
    program = find_program("strace", "apt-get install strace")
    run_setup("strace fails", program, "-f", "-tt", "-s", "256", "-o", logs / "strace.log", *STRACED)
    return _in_turn(folder, logs, rounds, fresh=True)


def day_of_growth(folder: Path, rounds: int) -> Runs:
    """Compare the cost per new byte of a log that grew over a day of cycles with a new log of its size."""
    step = DAY_SIZE // DAY
    runs: Runs = {"new log": [], "log of a day": [], "as large, seen for the first time": []}
    for number in range(rounds):
        place = folder / str(number)
        logs = sample_logs(place / "old", sizes=[step], seed=number)
        with _running_logcd(logs.folder) as daemon:
            runs["new log"].append(_growth_cost(daemon, logs, step))
            for _ in range(DAY - MEASURED_CYCLES):
                logs.grow(0, step)
                daemon.measure_cycle()
            runs["log of a day"].append(_growth_cost(daemon, logs, step))
        other = sample_logs(place / "new", sizes=[DAY_SIZE], seed=number)
        with _running_logcd(other.folder) as daemon:
            runs["as large, seen for the first time"].append(_growth_cost(daemon, other, step))
        shutil.rmtree(place)
    return runs


def sample_logs(folder: Path, sizes: list[int] | None = None, seed: int = 1) -> SampleLogs:
    """Write sample logs, 1 GiB in FILES files unless `sizes` are given."""
    folder.mkdir(parents=True)
    return SampleLogs(folder, sizes or [GIB // FILES] * FILES, seed)


@contextmanager
def xfs(folder: Path) -> Generator[Path]:
    """Mount an XFS with shared extents until the block ends. Raises Unavailable."""
    maker = find_program("mkfs.xfs", "apt-get install xfsprogs")
    image, path = folder / "image", folder / "xfs"
    with image.open("wb") as file:
        file.truncate(8 * GIB)
    run_setup("cannot make an XFS", maker, "-q", "-m", "reflink=1", image)
    path.mkdir()
    run_setup("cannot mount an XFS", find_program("mount", "root is needed"), "-o", "loop", image, path)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def _running_logcd(folder: Path) -> Generator[MeasuredLogcd]:
    """Run logcd on a folder; at the end, check that its archive matches the files."""
    with ExitStack() as stack:
        daemon = MeasuredLogcd(folder)
        stack.callback(daemon.close)
        yield daemon
        assert_archive_matches(daemon.archive)


def _in_turn(
    folder: Path,
    logs: Path,
    rounds: int,
    change: Callable[[], None] = lambda: None,
    *,
    fresh: bool = False,
) -> Runs:
    """Measure tar and logcd in turn after each change; with `fresh`, start a new logcd every time."""
    runs: Runs = {"logcd": [], "tar czf": []}
    with ExitStack() as stack:
        daemon = None if fresh else stack.enter_context(_running_logcd(logs))
        for _ in range(rounds):
            change()
            of_tar = measure_tar(logs, folder / "tar.tar.gz")
            of_logcd = _first_cycle(logs) if daemon is None else daemon.measure_cycle()
            for name, figures in (("logcd", of_logcd), ("tar czf", of_tar)):
                figures |= {
                    "cpu_of": figures["cpu"] / of_tar["cpu"],
                    "size_of": figures["size"] / of_tar["size"],
                }
                runs[name].append(figures)
    return runs


def _first_cycle(logs: Path) -> Figures:
    """Measure the first cycle with logs of a running logcd: its startup is not compared."""
    with TemporaryDirectory(dir=logs.parent) as name, _running_logcd(folder := Path(name)) as daemon:
        for path in logs.iterdir():
            os.link(path, folder / path.name)
        return daemon.measure_cycle()


def _grow(logs: SampleLogs, size: int) -> None:
    for number in range(FILES):
        logs.grow(number, size)


def _growth_cost(daemon: MeasuredLogcd, logs: SampleLogs, step: int) -> Figures:
    """Return what cycles cost per new byte."""
    before, cpu = logs.size, daemon.cpu_seconds()
    for _ in range(MEASURED_CYCLES):
        logs.grow(0, step)
        figures = daemon.measure_cycle()
    new = logs.size - before
    return figures | {
        "cpu_seconds_per_gb": (daemon.cpu_seconds() - cpu) / new * 1e9,
        "cpu": (daemon.cpu_seconds() - cpu) / MEASURED_CYCLES,
    }


CELLS = (
    Cell(name="archive-first", title="first archive of 1 GiB in 20 files", measure=first_archive),
    Cell(name="archive-cycle", title="1 GiB in 20 files, each 1 % longer than before", measure=growth),
    Cell(
        name="archive-cycle-xfs",
        title="1 GiB in 20 files, each 1 % longer than before, on XFS with shared extents",
        measure=growth_on_xfs,
    ),
    Cell(
        name="archive-idle",
        title="1 GiB in 20 files, nothing new",
        measure=no_change,
        shown=("cpu", "seconds", "peak_rss"),
    ),
    Cell(
        name="archive-small", title="10,000 small files, 10 of them longer than before", measure=small_files
    ),
    Cell(name="archive-real", title="first archive of /var/log and an strace", measure=real_logs),
    Cell(
        name="archive-age",
        title="a log of 256 MiB, grown over 1,440 cycles and at once",
        measure=day_of_growth,
        shown=("cpu_seconds_per_gb", "cpu", "seconds", "size", "peak_rss"),
    ),
)
