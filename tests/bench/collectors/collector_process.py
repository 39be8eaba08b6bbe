"""A running collector: its CPU time, its memory, the bytes it has written, and its end."""

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

from tests.bench.workspace import RunFailed

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.bench.collectors.systems import System
    from tests.bench.workspace import Workspace

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0  # seconds for a collector to start or to stop
POLL = 0.002


class CollectorProcess:
    """A collector that accepts connections, and its child processes."""

    def __init__(self, system: System, place: Workspace, process: subprocess.Popen[bytes]) -> None:
        self.system = system
        self.place = place
        self.process = process
        self.startup = 0.0  # seconds from its start until it accepted a connection

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far, including those that have ended."""
        return sum(cpu_seconds(pid) for pid in self._tree())

    def rss(self, *, peak: bool = False) -> int:
        """Return the resident memory of its processes in bytes, current or peak."""
        field = "VmHWM" if peak else "VmRSS"
        return sum(_memory(pid, field) for pid in self._tree())

    def written(self) -> int:
        """Return the bytes of lines that are in files."""
        if not self.system.rotates:
            return self.place.log.stat().st_size if self.place.log.exists() else 0
        with urlopen(f"http://127.0.0.1:{self.place.http}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        name = "nodelog_written_bytes_total "
        return int(float(next(line for line in lines if line.startswith(name)).split()[1]))

    def files(self) -> list[Path]:
        """Return all files that contain lines."""
        hidden = (".", "_", "-")
        return [path for path in self.place.log.parent.iterdir() if not path.name.startswith(hidden)]

    def stop(self) -> None:
        """Stop it with SIGTERM; kill it after PATIENCE."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _tree(self) -> list[int]:
        pids, new = [], [self.process.pid]
        while new:
            pids += new
            new = [child for pid in new for child in _children(pid)]
        return pids


@contextmanager
def running_collector(system: System, place: Workspace) -> Generator[CollectorProcess]:
    """Start a collector, yield it once it accepts connections, and stop it. Raises RunFailed."""
    place.log.parent.mkdir()
    output_path = place.folder / "output"
    with output_path.open("wb") as output:
        process = subprocess.Popen(
            system.command(place),
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
            | dict(system.environment or {}),
        )
    run, start = CollectorProcess(system, place, process), time.monotonic()
    try:
        _wait_accepting(run, output_path)
        run.startup = time.monotonic() - start
        yield run
    finally:
        run.stop()


def _wait_accepting(run: CollectorProcess, output_path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if run.process.poll() is not None:
            break
        with suppress(OSError), socket.create_connection(("127.0.0.1", run.place.port)):
            return
        time.sleep(POLL)
    output = output_path.read_text().strip()[-500:]
    raise RunFailed(f"{run.system.name} does not accept connections; its output: {output}")


def _children(pid: int) -> list[int]:
    pids: list[int] = []
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS  # user and system time, its own and of ended children


def _memory(pid: int, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    found = text.partition(f"{field}:")[2].split()
    return 1024 * int(found[0]) if found else 0
