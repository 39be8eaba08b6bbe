"""Sealing: a full log file gets its final name, with a number that is never used twice.

Where the file system refuses that, the log goes on in its file, and sealing is tried again.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.service.files.free_space import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.store.active_file import ActiveFile
    from nodelogd.collector.store.file_names import FileNames
    from nodelogd.service.health import Health

log = logging.getLogger(__name__)

# Errors of a file system without hard links, or with one that takes up space.
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSPC, errno.EDQUOT}


RETRY_DELAY = 10.0  # seconds until a refused rotation is tried again; each refusal doubles it
MAX_RETRY_DELAY = 3600.0  # seconds

_ADVICE = {
    errno.EXDEV: "mount the directory of the log instead of the single file",
    errno.EBUSY: "mount the directory of the log instead of the single file",
    errno.EPERM: "remove the attribute with `chattr -a -i`, or give the log and its directory to user {user}",
    errno.EACCES: "let user {user} write in {directory}",
    errno.EROFS: "mount the file system of {directory} read-write",
    errno.ENOSPC: "free space or inodes on the file system of {directory}",
    errno.EDQUOT: "raise the quota of user {user}, or free space",
}


class Sealer:
    """Numbers the files of one log and seals its active file; never replaces a sealed file."""

    def __init__(self, names: FileNames, metrics: Metrics, last_number: int) -> None:
        """Continue after `last_number`."""
        self.names = names
        self._metrics = metrics
        self.last_number = last_number

    def next_number(self) -> int:
        """Return the number of the next file that is sealed or cut off."""
        return max(self.last_number, self.names.last_number()) + 1

    def seal(self, file: ActiveFile, successor: ActiveFile, number: int) -> None:
        """Rename the log, and its successor to the log's path; durable once their directory is synced.

        Raises OSError; the log is then still at its path, perhaps with its new name as well, and the call may
        be repeated. A crash in between leaves both names, and the next start sees that they are one file.
        """
        target = self.names.find_sealed(os.fstat(file.fd))  # the last attempt stopped half-way
        if target is None:
            target = self.names.sealed_path(number, time.time())
            undo = self._add_name(target)
        else:
            undo = target.unlink
        try:
            successor.move_to(self.names.log)
        except OSError:
            with suppress(OSError):
                undo()
            raise
        self._metrics.rotations.inc()
        log.info("the log is sealed", extra={"path": str(target), "bytes": file.end})

    def _add_name(self, target: Path) -> Callable[[], object]:
        """Give the log its final name, never that of another file; return what undoes it.

        The log keeps its old name until the successor takes it. Without hard links it cannot.
        """
        log_path = self.names.log
        try:
            os.link(log_path, target)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            # We hold the lock, so nobody else creates such names.
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            log_path.rename(target)
            return partial(_rename_back, target, log_path)
        return target.unlink


class RotationErrors:
    """Whether the last rotation was refused: logged once, shown in `/readyz`, ended by the next success."""

    def __init__(self, names: FileNames, metrics: Metrics, health: Health) -> None:
        """Start without an error."""
        self._names = names
        self._metrics = metrics
        self._health = health
        self._delay = RETRY_DELAY
        self._next_attempt = 0.0  # monotonic time
        self._last_text = ""

    @property
    def is_refused(self) -> bool:
        """True from the first refusal to the next success."""
        return bool(self._last_text)

    def is_due(self) -> bool:
        """Return whether a rotation may be tried: always, except for some time after a refusal."""
        return time.monotonic() >= self._next_attempt

    def note_refusal(self, error: OSError) -> None:
        """Report why the log cannot be sealed, unless that was reported, and put off the next attempt."""
        self._next_attempt = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, MAX_RETRY_DELAY)
        self._metrics.failures.labels("rotate").inc()
        text = self._describe(error)
        if text != self._last_text:
            self._last_text = text
            log.warning(text)
        self._health.set_degraded("rotation", text)

    def note_success(self) -> None:
        """End the refusal, if there is one."""
        self._next_attempt, self._delay = 0.0, RETRY_DELAY
        if self._last_text:
            self._last_text = ""
            log.info("the log can be sealed again", extra={"path": str(self._names.log)})
            self._health.clear_degraded("rotation")

    def _describe(self, error: OSError) -> str:
        directory = self._names.directory
        advice = _ADVICE.get(error.errno or 0, "see docs/storage.md").format(
            user=os.geteuid(), directory=directory
        )
        return (
            f"cannot rename {self._names.log} to seal it{_failed_step(error)}: "
            f"{describe_error(error, directory)}; "
            "lines are still written to it, nothing is lost, but it grows; "
            f"{advice}; retrying at growing intervals, and at once on SIGHUP"
        )


def _rename_back(sealed: Path, log_path: Path) -> None:
    if not log_path.exists():
        sealed.rename(log_path)


def _failed_step(error: OSError) -> str:
    """Return what was refused, if it was not the rename; without names that change with each attempt."""
    return "" if error.filename2 else ", as its successor or its journal cannot be created"
