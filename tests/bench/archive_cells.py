"""The cells of the table of archives: what logs there are, what happens to them, and which figures matter."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.bench.archivers import Daemon, compare, tar
from tests.bench.logs import Logs
from tests.bench.places import attempt, found

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.bench.measuring import Figures

Runs = dict[str, list["Figures"]]  # by row

GIB = 1024**3
FILES = 20
MANY = 10_000
SMALL = 8_000  # bytes of each of many
CHANGED = 10  # of them
PERCENT = 100
DAY = 1440  # cycles
AGED = 256 * 1024**2  # bytes that a log has at the end of its day
IDLE = 50  # cycles that find nothing new
AFTER = 40  # cycles that are measured at the end of a day
STRACED = ("find", "/usr/share", "/usr/lib", "-type", "f", "-size", "+1M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One comparison."""

    name: str
    title: str
    measure: Callable[[Path, int], Runs]
    """Takes an empty folder and the number of rounds."""
    shown: tuple[str, ...] = ("cpu", "cpu_of", "seconds", "size", "size_of", "peak_rss")


def first(folder: Path, rounds: int) -> Runs:
    """Archive everything for the first time."""
    logs = some(folder / "log")
    return _in_turn(folder, logs.folder, rounds, fresh=True)


def cycle(folder: Path, rounds: int) -> Runs:
    """Archive again after each file has grown by a hundredth."""
    logs = some(folder / "log")
    return _in_turn(folder, logs.folder, rounds, lambda: _grow(logs, logs.size // FILES // PERCENT))


def cycle_on_xfs(folder: Path, rounds: int) -> Runs:
    """Do the same where files may share what they have in common."""
    with xfs(folder) as path:
        return cycle(path, rounds)


def idle(folder: Path, rounds: int) -> Runs:
    """Archive again although nothing has changed."""
    logs = some(folder / "log")
    with _started(logs.folder) as daemon:
        return {"logcd": [daemon.idle(IDLE) for _ in range(rounds)]}


def small(folder: Path, rounds: int) -> Runs:
    """Archive many small files, of which a few have grown."""
    (folder / "log").mkdir()
    logs = Logs(folder / "log", [SMALL // 4 + number * 7919 % (SMALL * 3 // 2) for number in range(MANY)])
    numbers = iter(range(0, MANY * rounds, MANY // CHANGED - 1))

    def some_grow() -> None:
        for _ in range(CHANGED):
            logs.grow(next(numbers) % MANY, SMALL // PERCENT)

    runs = _in_turn(folder, logs.folder, rounds, some_grow)
    with _started(logs.folder) as daemon:
        runs["logcd, no change"] = [daemon.idle(IDLE) for _ in range(rounds)]
    return runs


def real(folder: Path, rounds: int) -> Runs:
    """Archive what this machine has in /var/log, and what strace says of a program."""
    logs = folder / "log"
    logs.mkdir()
    for number, path in enumerate(sorted(Path("/var/log").rglob("*"))):
        if path.is_file() and not path.is_symlink() and path.suffix not in {".gz", ".xz", ".journal"}:
            shutil.copy(path, logs / f"{number}-{path.stem}.log")
    program = found("strace", "apt-get install strace")
    attempt("strace fails", program, "-f", "-tt", "-s", "256", "-o", logs / "strace.log", *STRACED)
    return _in_turn(folder, logs, rounds, fresh=True)


def age(folder: Path, rounds: int) -> Runs:
    """Let a log grow over a day of cycles, and another come as it is then; see what each new byte costs."""
    step = AGED // DAY
    runs: Runs = {"new log": [], "log of a day": [], "as large, seen for the first time": []}
    for number in range(rounds):
        place = folder / str(number)
        logs = some(place / "old", sizes=[step], seed=number)
        with _started(logs.folder) as daemon:
            runs["new log"].append(_per_byte(daemon, logs, step))
            for _ in range(DAY - AFTER):
                logs.grow(0, step)
                daemon.measured()
            runs["log of a day"].append(_per_byte(daemon, logs, step))
        other = some(place / "new", sizes=[AGED], seed=number)
        with _started(other.folder) as daemon:
            runs["as large, seen for the first time"].append(_per_byte(daemon, other, step))
        shutil.rmtree(place)
    return runs


def some(folder: Path, sizes: list[int] | None = None, seed: int = 1) -> Logs:
    """Make logs: a GiB of them if nothing else is said."""
    folder.mkdir(parents=True)
    return Logs(folder, sizes or [GIB // FILES] * FILES, seed)


@contextmanager
def xfs(folder: Path) -> Generator[Path]:
    """Mount an XFS that shares extents, as long as the block lasts. Raises Missing."""
    maker = found("mkfs.xfs", "apt-get install xfsprogs")
    image, path = folder / "image", folder / "xfs"
    with image.open("wb") as file:
        file.truncate(8 * GIB)
    attempt("XFS cannot be made", maker, "-q", "-m", "reflink=1", image)
    path.mkdir()
    attempt("XFS cannot be mounted", found("mount", "root is needed"), "-o", "loop", image, path)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def _started(folder: Path) -> Generator[Daemon]:
    """Start logcd on a folder; in the end its archive has to hold what the files have."""
    with ExitStack() as stack:
        daemon = Daemon(folder)
        stack.callback(daemon.close)
        yield daemon
        compare(daemon.archive)


def _in_turn(
    folder: Path,
    logs: Path,
    rounds: int,
    change: Callable[[], None] = lambda: None,
    *,
    fresh: bool = False,
) -> Runs:
    """Measure tar and logcd in turn, behind a change; a fresh logcd each time, or one that goes on."""
    runs: Runs = {"logcd": [], "tar czf": []}
    with ExitStack() as stack:
        daemon = None if fresh else stack.enter_context(_started(logs))
        for _ in range(rounds):
            change()
            theirs = tar(logs, folder / "tar.tar.gz")
            ours = _first(logs) if daemon is None else daemon.measured()
            for name, figures in (("logcd", ours), ("tar czf", theirs)):
                figures |= {
                    "cpu_of": figures["cpu"] / theirs["cpu"],
                    "size_of": figures["size"] / theirs["size"],
                }
                runs[name].append(figures)
    return runs


def _first(logs: Path) -> Figures:
    """Measure a cycle of a logcd that is there before its logs: its start is not what is compared."""
    with TemporaryDirectory(dir=logs.parent) as name, _started(folder := Path(name)) as daemon:
        for path in logs.iterdir():
            os.link(path, folder / path.name)
        return daemon.measured()


def _grow(logs: Logs, size: int) -> None:
    for number in range(FILES):
        logs.grow(number, size)


def _per_byte(daemon: Daemon, logs: Logs, step: int) -> Figures:
    """Give what cycles cost for each byte that is new."""
    before, cpu = logs.size, daemon.cpu_seconds()
    for _ in range(AFTER):
        logs.grow(0, step)
        figures = daemon.measured()
    new = logs.size - before
    return figures | {
        "cpu_seconds_per_gb": (daemon.cpu_seconds() - cpu) / new * 1e9,
        "cpu": (daemon.cpu_seconds() - cpu) / AFTER,
    }


CELLS = (
    Cell(name="archive-first", title="first archive of 1 GiB in 20 files", measure=first),
    Cell(name="archive-cycle", title="1 GiB in 20 files, each 1 % longer than before", measure=cycle),
    Cell(
        name="archive-cycle-xfs",
        title="1 GiB in 20 files, each 1 % longer than before, on XFS with shared extents",
        measure=cycle_on_xfs,
    ),
    Cell(
        name="archive-idle",
        title="1 GiB in 20 files, nothing new",
        measure=idle,
        shown=("cpu", "seconds", "peak_rss"),
    ),
    Cell(name="archive-small", title="10,000 small files, 10 of them longer than before", measure=small),
    Cell(name="archive-real", title="first archive of /var/log and an strace", measure=real),
    Cell(
        name="archive-age",
        title="a log of 256 MiB, grown over 1,440 cycles and at once",
        measure=age,
        shown=("cpu_seconds_per_gb", "cpu", "seconds", "size", "peak_rss"),
    ),
)
