"""What happens to logd in the middle of a round, and what it may say to that.

Nobody loses a line by it that could be kept: a stranger who copies a log that is written to and then empties
it loses what comes between the two, so ours stops logd meanwhile.
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


def nothing(_logd: Logd, _files: Path) -> None:
    """Let it be."""


def hung_up(logd: Logd, _files: Path) -> None:
    """Have the log sealed, twice in a moment."""
    logd.signal(signal.SIGHUP)
    logd.signal(signal.SIGHUP)


def visited(logd: Logd, files: Path) -> None:
    """Do to the log what people and logrotate do; what they take away goes to `files`."""
    shutil.copyfile(logd.log, os.devnull)  # cat
    with logd.log.open("ab", buffering=0) as log:
        log.write(b"a line of somebody else\n")
    wait_for(lambda: moved(logd.log, files / "moved"), "the log is moved away")
    logd.signal(signal.SIGHUP)
    wait_for(logd.log.exists, "a new log is begun")
    copytruncated(logd, files / "copied")


def moved(log: Path, target: Path) -> bool:
    """Move the log away, if it is there: between one that is sealed and the next there is none."""
    with suppress(FileNotFoundError):
        log.rename(target)
    return target.exists()


def copytruncated(logd: Logd, target: Path) -> None:
    """Copy the log and empty it, if it is there, while logd is stopped."""
    logd.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: is_stopped(logd.pid), "logd is stopped")
        with suppress(FileNotFoundError):
            shutil.copyfile(logd.log, target)
            os.truncate(logd.log, 0)
    finally:
        logd.signal(signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    """Say whether each of its threads has done what it was at in the kernel and stands still."""
    states = [
        path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


def terminated(logd: Logd, _files: Path) -> None:
    """Restart it as an update does."""
    logd.restart()


def killed(logd: Logd, _files: Path) -> None:
    """Restart it as the kernel does when it needs memory."""
    logd.kill()
    logd.restart()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A kind of round."""

    name: str
    loads: tuple[Load, ...] = MIXED
    part: float = 1.0
    """How much of a round's time it takes."""
    happens: Callable[[Logd, Path], None] = nothing
    restarts: int = 0
    may_say: str | None = None
    """The beginning of a warning that belongs to it."""

    def volume(self, seconds: float) -> int:
        """Say how many bytes a round of so many seconds sends at most."""
        return sum(load.volume(seconds * self.part) for load in self.loads)


_CUT = "the last run left an incomplete end"

CALM = Scene(name="calm")
HANGUP = Scene(name="SIGHUP", happens=hung_up)
STRANGERS = Scene(name="strangers", happens=visited, may_say="another program changed the log")
FLAT_OUT = Scene(name="flat out", loads=FULL, part=0.1)
TERMINATED = Scene(name="SIGTERM", happens=terminated, restarts=1)
KILLED = Scene(name="SIGKILL", happens=killed, restarts=1, may_say=_CUT)
TERMINATED_FLAT_OUT = Scene(name="SIGTERM, flat out", loads=FULL, part=0.1, happens=terminated, restarts=1)
KILLED_FLAT_OUT = Scene(
    name="SIGKILL, flat out", loads=FULL, part=0.1, happens=killed, restarts=1, may_say=_CUT
)

ONE_LIFE = (CALM, HANGUP, STRANGERS, FLAT_OUT)
"""In turn in the first half of the time: what grows in a process shows in one that lives long."""
MANY_LIVES = (TERMINATED, KILLED, TERMINATED_FLAT_OUT, KILLED_FLAT_OUT)
"""In the second half."""
