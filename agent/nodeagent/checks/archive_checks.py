"""The newest archive: how old and how large it is, and once in a while whether it can be read back."""

from __future__ import annotations

import asyncio
import shutil
import stat
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nodeagent.supervision.child_process import LAST_WORDS, leashed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics

LATE: Final = 3
"""An archive is late after so many intervals."""
NICE: Final = 19
DAMAGED: Final = 1
"""What `nodelog archive verify` says of an archive that is not whole."""


class Archive:
    """Looks at the newest of the archives whose paths are like `pattern`.

    `confirmed` gives when a cycle of logcd last succeeded (since the epoch), if it says so: an archive to
    which nothing was to be added is not written again, and only looks old.
    """

    name = "archive"

    def __init__(
        self,
        pattern: Path,
        every: float,
        confirmed: Callable[[], float | None],
        metrics: Metrics,
        findings: Findings,
    ) -> None:
        self._pattern = pattern
        self._every = every
        self._confirmed = confirmed
        self._metrics = metrics
        self._findings = findings
        self._began = time.time()
        self._status: dict[str, object] = {}
        metrics.archive_interval.set(every)

    async def look(self) -> bool:
        """Look; tell whether there is one that is not late."""
        try:
            found = await asyncio.to_thread(newest, self._pattern)
        except OSError as error:
            return self._findings.tell(self.name, f"cannot look for {self._pattern}: {error.strerror}")
        if found is None:
            return self._none()
        path, status = found
        age = max(0.0, time.time() - max(status.st_mtime, self._confirmed() or 0.0))
        self._metrics.archive_age.set(age)
        self._metrics.archive_size.set(status.st_size)
        self._status = {"path": str(path), "age_seconds": round(age, 1), "size_bytes": status.st_size}
        is_late = age > LATE * self._every
        text = f"{path} is {age:.0f} s old, at most {LATE * self._every:.0f} s expected; see logcd's log"
        return self._findings.tell(self.name, text if is_late else "")

    def status(self) -> dict[str, object]:
        """Give what `/status` shows."""
        return self._status

    def _none(self) -> bool:
        # Where there is nothing to archive, logcd has done all it can.
        age = max(0.0, time.time() - max(self._began, self._confirmed() or 0.0))
        self._metrics.archive_age.set(age)
        self._metrics.archive_size.set(0)
        self._status = {"path": None}
        is_late = age > LATE * self._every
        return self._findings.tell(
            self.name, f"there is no archive at {self._pattern}; see logcd's log" if is_late else ""
        )


class Verification:
    """Reads the newest archive back, as nobody's competitor: `nodelog archive verify`, nice and idle."""

    name = "verification"

    def __init__(self, pattern: Path, patience: float, metrics: Metrics, findings: Findings) -> None:
        self._pattern = pattern
        self._patience = patience
        self._metrics = metrics
        self._findings = findings
        self._status: dict[str, object] = {}

    async def look(self) -> bool:
        """Read it back; tell whether that was done and found nothing."""
        try:
            found = await asyncio.to_thread(newest, self._pattern)
        except OSError:
            return False  # the other eye says why
        if found is None:
            return False
        path, _ = found
        began = time.monotonic()
        code, said = await self._verify(path)
        result = "ok" if code == 0 else "damaged" if code == DAMAGED else "failed"
        self._metrics.verifications.labels(result).inc()
        if result != "failed":
            self._metrics.verified_ok.set(result == "ok")
            self._metrics.verified_at.set_to_current_time()
        self._status = {
            "path": str(path),
            "result": result,
            "said": said,
            "seconds": round(time.monotonic() - began, 3),
        }
        trouble = {"ok": "", "damaged": f"{path} is damaged: {said}"}
        return self._findings.tell(self.name, trouble.get(result, f"cannot verify {path}: {said}"))

    def status(self) -> dict[str, object]:
        """Give what `/status` shows."""
        return self._status

    async def _verify(self, path: Path) -> tuple[int, str]:
        """Give the exit code and the last line of what was said."""
        nodelog = str(Path(sys.executable).parent / "nodelog")
        command = leashed([*_idle(), nodelog, "archive", "verify", str(path)], NICE)
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        try:
            async with asyncio.timeout(self._patience):
                output, _ = await process.communicate()
        except TimeoutError:
            return -1, f"not done within {self._patience:g} s"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                with suppress(TimeoutError):  # it may hang in the kernel
                    await asyncio.wait_for(process.communicate(), LAST_WORDS)
        lines = output.decode(errors="replace").split("\n")
        return process.returncode or 0, next((line for line in reversed(lines) if line), "")


def newest(pattern: Path) -> tuple[Path, os.stat_result] | None:
    """Give the archive that was written last, of those whose names are like this. Raises OSError."""
    found: list[tuple[Path, os.stat_result]] = []
    for path in pattern.parent.glob(pattern.name):
        with suppress(FileNotFoundError):  # it was removed in this moment
            if stat.S_ISREG((status := path.stat()).st_mode):
                found.append((path, status))
    return max(found, key=lambda one: one[1].st_mtime_ns, default=None)


def _idle() -> list[str]:
    """Give what makes a command use the disk only when nobody else does, if it is installed."""
    ionice = shutil.which("ionice")
    return [ionice, "-c", "3"] if ionice else []
