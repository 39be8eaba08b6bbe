"""A system that runs: started, asked what it takes and how far it is, and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.bench.places import Place
    from tests.bench.systems import System

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0  # seconds for a system to start, or to end
POLL = 0.002


class Failed(Exception):  # noqa: N818 (it is what a run has done)
    """Why a run has no figures."""


class Running:
    """One system, from its first accepted connection on."""

    def __init__(self, system: System, place: Place, process: subprocess.Popen[bytes]) -> None:
        self.system = system
        self.place = place
        self.process = process
        self.start = 0.0  # seconds from its start until it took a connection

    def cpu(self) -> float:
        """Give the processor time of all its processes so far, those that have ended among them, seconds."""
        return sum(_cpu(pid) for pid in self._tree())

    def rss(self, *, peak: bool = False) -> int:
        """Give the memory of its processes, now or the most each had, bytes."""
        field = "VmHWM" if peak else "VmRSS"
        return sum(_status(pid, field) for pid in self._tree())

    def written(self) -> int:
        """Give the bytes of the lines that are in files."""
        if not self.system.rotates:
            return self.place.log.stat().st_size if self.place.log.exists() else 0
        with urlopen(f"http://127.0.0.1:{self.place.http}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        name = "nodelog_written_bytes_total "
        return int(float(next(line for line in lines if line.startswith(name)).split()[1]))

    def files(self) -> list[Path]:
        """List all files with lines."""
        hidden = (".", "_", "-")
        return [path for path in self.place.log.parent.iterdir() if not path.name.startswith(hidden)]

    def end(self) -> None:
        """Ask it to end; insist after a minute."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _tree(self) -> list[int]:
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for pid in new for child in _children(pid)]
        return found


@contextmanager
def running(system: System, place: Place) -> Generator[Running]:
    """Start a system; it takes connections from here on, and is gone at the end. Raises Failed."""
    place.log.parent.mkdir()
    said = place.folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            system.command(place),
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
            | dict(system.environment or {}),
        )
    run, began = Running(system, place, process), time.monotonic()
    try:
        _wait_accepting(run, said)
        run.start = time.monotonic() - began
        yield run
    finally:
        run.end()


def _wait_accepting(run: Running, said: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if run.process.poll() is not None:
            break
        with suppress(OSError), socket.create_connection(("127.0.0.1", run.place.port)):
            return
        time.sleep(POLL)
    raise Failed(f"{run.system.name} does not take connections; it said: {said.read_text().strip()[-500:]}")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS  # user and system, its own and of children that have ended


def _status(pid: int, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    found = text.partition(f"{field}:")[2].split()
    return 1024 * int(found[0]) if found else 0
