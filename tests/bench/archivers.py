"""Who archives a directory of logs: `tar czf`, and logcd; what a cycle of each costs.

Seconds of processor time (user and system, of all their processes and threads), seconds, and bytes.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.running import Failed
from tests.processes.logcd import Logcd, logcd_environment
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.bench.measuring import Figures

ENDED = "a cycle has ended"
LONG = 300.0  # seconds for a cycle


def tar(folder: Path, archive: Path) -> Figures:
    """Do what logcd replaces."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    # The shell's glob, as in the loop that people have; gzip -6 is what z means.
    script = 'cd / && exec tar czf "$0" "$1"/*.log 2>&1 | { grep -v "^tar: Removing leading" || :; }'
    said = subprocess.run(["sh", "-c", script, archive, folder], check=True, capture_output=True, text=True)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    if said.stdout:
        raise Failed(f"tar complains: {said.stdout}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "seconds": seconds, "size": archive.stat().st_size, "peak_rss": nan}


def compare(archive: Path) -> None:
    """Have tar compare what is in an archive with the files. Raises Failed."""
    said = subprocess.run(
        ["tar", "--compare", "-zf", archive, "-C", "/"], capture_output=True, text=True, check=False
    )
    if said.returncode:
        raise Failed(f"the archive has something else than the logs: {said.stdout}{said.stderr}")


class Daemon(Logcd):
    """A logcd whose cycles are counted by what it says: asking its pages would cost it time."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it and wait until its first cycle has ended."""
        super().__init__(folder, ["--log-level=debug", *options], logcd_environment(), [])
        self._wait(0)

    def measured(self) -> Figures:
        """Have it make a cycle; give what that costs."""
        before, cpu, start = self._ended(), self.cpu_seconds(), time.monotonic()
        self.signal(signal.SIGHUP)
        self._wait(before)
        return self._figures(cpu, start)

    def idle(self, cycles: int) -> Figures:
        """Have it make many cycles that find nothing new; give what one of them costs."""
        inode, cpu, start = self.archive.stat().st_ino, self.cpu_seconds(), time.monotonic()
        for _ in range(cycles):
            self.measured()
        if self.archive.stat().st_ino != inode:
            raise Failed("a cycle that finds nothing new has written an archive")
        figures = self._figures(cpu, start)
        return figures | {name: figures[name] / cycles for name in ("cpu", "seconds")}

    def cpu_seconds(self) -> float:
        """Give the processor time it has had, by the scheduler's clock: the other one ticks in 10 ms."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def _figures(self, cpu: float, start: float) -> Figures:
        return {
            "cpu": self.cpu_seconds() - cpu,
            "seconds": time.monotonic() - start,
            "size": self.archive.stat().st_size,
            "peak_rss": self.peak_rss(),
        }

    def _ended(self) -> int:
        return sum(ENDED in line for line in list(self.stderr))

    def _wait(self, before: int) -> None:
        wait_for(lambda: self._ended() > before, "a cycle has ended", patience=LONG)
