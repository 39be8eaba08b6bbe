"""What it costs `tar czf` and logcd to archive a directory of logs.

Figures are seconds of CPU time (user and system, of all processes and threads), seconds, and bytes.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.workspace import RunFailed
from tests.processes.logcd import Logcd, logcd_environment
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.bench.collectors.measurements import Figures

ENDED = "a cycle has ended"
CYCLE_TIMEOUT = 300.0  # seconds


def measure_tar(folder: Path, archive: Path) -> Figures:
    """Measure `tar czf`, which logcd replaces."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    # The shell expands the names, as in a typical cron script; z means gzip -6.
    script = 'cd / && exec tar czf "$0" "$1"/*.log 2>&1 | { grep -v "^tar: Removing leading" || :; }'
    done = subprocess.run(["sh", "-c", script, archive, folder], check=True, capture_output=True, text=True)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    if done.stdout:
        raise RunFailed(f"tar complains: {done.stdout}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "seconds": seconds, "size": archive.stat().st_size, "peak_rss": nan}


def assert_archive_matches(archive: Path) -> None:
    """Compare an archive with the files, by tar. Raises RunFailed."""
    done = subprocess.run(
        ["tar", "--compare", "-zf", archive, "-C", "/"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RunFailed(f"the archive differs from the logs: {done.stdout}{done.stderr}")


class MeasuredLogcd(Logcd):
    """A logcd whose cycles are counted from its log: requests to its pages would cost CPU time."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it and wait until its first cycle has ended."""
        super().__init__(folder, ["--log-level=debug", *options], logcd_environment(), [])
        self._wait_for_cycle(0)

    def measure_cycle(self) -> Figures:
        """Trigger a cycle and return what it costs."""
        before, cpu, start = self._cycles_ended(), self.cpu_seconds(), time.monotonic()
        self.signal(signal.SIGHUP)
        self._wait_for_cycle(before)
        return self._figures(cpu, start)

    def measure_idle_cycles(self, cycles: int) -> Figures:
        """Trigger cycles that find nothing new; return what one of them costs."""
        inode, cpu, start = self.archive.stat().st_ino, self.cpu_seconds(), time.monotonic()
        for _ in range(cycles):
            self.measure_cycle()
        if self.archive.stat().st_ino != inode:
            raise RunFailed("a cycle that found nothing new has written an archive")
        figures = self._figures(cpu, start)
        return figures | {name: figures[name] / cycles for name in ("cpu", "seconds")}

    def cpu_seconds(self) -> float:
        """Return its CPU time by the scheduler's clock; the usual one ticks every 10 ms."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def _figures(self, cpu: float, start: float) -> Figures:
        return {
            "cpu": self.cpu_seconds() - cpu,
            "seconds": time.monotonic() - start,
            "size": self.archive.stat().st_size,
            "peak_rss": self.peak_rss(),
        }

    def _cycles_ended(self) -> int:
        return sum(ENDED in line for line in list(self.stderr))

    def _wait_for_cycle(self, before: int) -> None:
        wait_for(lambda: self._cycles_ended() > before, "a cycle has ended", patience=CYCLE_TIMEOUT)
