"""Whether the newest archive can be read back: `nodelog archive verify`, run nice and with idle I/O."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodeagent.checks.newest_archive import newest_archive
from nodeagent.supervision.parent_death_guard import guarded_command

if TYPE_CHECKING:
    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems

NICENESS: Final = 19
EXIT_DAMAGED: Final = 1
"""The exit code of `nodelog archive verify` for a damaged archive."""
KILL_TIMEOUT: Final = 1.0
"""Seconds to wait for a killed verification, which may hang in the kernel."""


class ArchiveVerification:
    """Reads the newest archive back within `timeout` seconds, and yields to every other program meanwhile."""

    name = "verification"

    def __init__(self, pattern: Path, timeout: float, metrics: Metrics, problems: Problems) -> None:
        self._pattern = pattern
        self._timeout = timeout
        self._metrics = metrics
        self._problems = problems
        self._status: dict[str, object] = {}

    async def run(self) -> bool:
        """Verify the newest archive; return whether that was done and it is intact."""
        try:
            found = await asyncio.to_thread(newest_archive, self._pattern)
        except OSError:
            return False  # the check of the archive's age reports it
        if found is None:
            return False
        path, _ = found
        started = time.monotonic()
        code, last_line = await self._verify(path)
        result = "ok" if code == 0 else "damaged" if code == EXIT_DAMAGED else "failed"
        self._metrics.verifications.labels(result).inc()
        if result != "failed":
            self._metrics.verified_ok.set(result == "ok")
            self._metrics.verified_at.set_to_current_time()
        self._status = {
            "path": str(path),
            "result": result,
            "said": last_line,
            "seconds": round(time.monotonic() - started, 3),
        }
        problems = {"ok": "", "damaged": f"{path} is damaged: {last_line}"}
        return self._problems.report(self.name, problems.get(result, f"cannot verify {path}: {last_line}"))

    def status(self) -> dict[str, object]:
        """Return what `/status` shows."""
        return self._status

    async def _verify(self, path: Path) -> tuple[int, str]:
        """Return the exit code of the verification, and the last line it printed."""
        nodelog = str(Path(sys.executable).parent / "nodelog")
        command = guarded_command(*_ionice(), nodelog, "archive", "verify", str(path), nice=NICENESS)
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        try:
            async with asyncio.timeout(self._timeout):
                output, _ = await process.communicate()
        except TimeoutError:
            return -1, f"not done within {self._timeout:g} s"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.communicate(), KILL_TIMEOUT)
        lines = output.decode(errors="replace").split("\n")
        return process.returncode or 0, next((line for line in reversed(lines) if line), "")


def _ionice() -> list[str]:
    """Return the prefix that lets a command use the disk only while it is idle; empty if not installed."""
    ionice = shutil.which("ionice")
    return [ionice, "-c", "3"] if ionice else []
