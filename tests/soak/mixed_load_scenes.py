"""The event in the middle of a round, and the warning that logd may log because of it.

No event loses lines that could be kept. Copying a log and then truncating it loses the lines written in
between, so `copytruncate` stops logd meanwhile.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak.loads import FULL, MIXED
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes.logd import Logd
    from tests.soak.loads import Load


def do_nothing(_logd: Logd, _files: Path) -> None:
    """Leave logd alone."""


def hang_up(logd: Logd, _files: Path) -> None:
    """Make logd seal the log, twice in quick succession."""
    logd.signal(signal.SIGHUP)
    logd.signal(signal.SIGHUP)


def disturb(logd: Logd, files: Path) -> None:
    """Treat the log as people and logrotate do; lines that this removes go to `files`."""
    shutil.copyfile(logd.log, os.devnull)  # cat
    with logd.log.open("ab", buffering=0) as log:
        log.write(b"a line of somebody else\n")
    wait_for(lambda: move_away(logd.log, files / "moved"), "the log is moved away")
    logd.signal(signal.SIGHUP)
    wait_for(logd.log.exists, "a new log exists")
    copytruncate(logd, files / "copied")


def move_away(log: Path, target: Path) -> bool:
    """Move the log away if it exists: between sealing it and creating the next one there is none."""
    with suppress(FileNotFoundError):
        log.rename(target)
    return target.exists()


def copytruncate(logd: Logd, target: Path) -> None:
    """Copy and truncate the log, if it exists, while logd is stopped."""
    logd.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: is_stopped(logd.pid), "logd is stopped")
        with suppress(FileNotFoundError):
            shutil.copyfile(logd.log, target)
            os.truncate(logd.log, 0)
    finally:
        logd.signal(signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    """Return whether all threads have left the kernel and are stopped."""
    states = [
        path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


def terminate(logd: Logd, _files: Path) -> None:
    """Restart it with SIGTERM, as an update does."""
    logd.restart()


def kill(logd: Logd, _files: Path) -> None:
    """Restart it after SIGKILL, as when the kernel runs out of memory."""
    logd.kill()
    logd.restart()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A kind of round."""

    name: str
    loads: tuple[Load, ...] = MIXED
    time_share: float = 1.0
    """The share of a round's time that it takes."""
    event: Callable[[Logd, Path], None] = do_nothing
    restarts: int = 0
    expected_warning: str | None = None
    """The beginning of a warning that the event causes."""

    def volume(self, seconds: float) -> int:
        """Return how many bytes a round of `seconds` sends at most."""
        return sum(load.volume(seconds * self.time_share) for load in self.loads)


_TORN_END = "the last run left an incomplete end"

CALM = Scene(name="calm")
HANGUP = Scene(name="SIGHUP", event=hang_up)
STRANGERS = Scene(name="strangers", event=disturb, expected_warning="another program changed the log")
FLAT_OUT = Scene(name="flat out", loads=FULL, time_share=0.1)
TERMINATED = Scene(name="SIGTERM", event=terminate, restarts=1)
KILLED = Scene(name="SIGKILL", event=kill, restarts=1, expected_warning=_TORN_END)
TERMINATED_FLAT_OUT = Scene(name="SIGTERM, flat out", loads=FULL, time_share=0.1, event=terminate, restarts=1)
KILLED_FLAT_OUT = Scene(
    name="SIGKILL, flat out", loads=FULL, time_share=0.1, event=kill, restarts=1, expected_warning=_TORN_END
)

ONE_PROCESS = (CALM, HANGUP, STRANGERS, FLAT_OUT)
"""Scenes of the first half, without restarts: growing memory shows in a process that lives long."""
RESTARTS = (TERMINATED, KILLED, TERMINATED_FLAT_OUT, KILLED_FLAT_OUT)
"""Scenes of the second half."""
