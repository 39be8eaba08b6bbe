"""One cycle with all that belongs to it: the lock, the files, the archive, what goes to make room.

Whatever fails, the archive that is there stands, and the next cycle tries again.
"""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.cycle import Archive, Case, StoppedError
from nodelogd.compressor.file_warnings import Unusual
from nodelogd.compressor.readiness import Freshness
from nodelogd.compressor.scan import discovery
from nodelogd.compressor.upkeep.archive_names import Names
from nodelogd.compressor.upkeep.archive_retention import retain
from nodelogd.compressor.upkeep.cycle_lock import locked
from nodelogd.compressor.upkeep.scrub_schedule import Scrubs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.cycle import Outcome
    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.scan.discovery import Found
    from nodelogd.compressor.settings import Settings

log = logging.getLogger(__name__)

_NUMBER: Final = re.compile(r"\.tmp-\d+-[0-9a-f]+$")


class Result(Enum):
    """How a cycle ended; the values are those of the metric."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What became of a cycle."""

    result: Result
    unreadable: int = 0
    """Files and folders that could not be read; the rest is archived."""


class Compressor:
    """Makes cycles; one at a time."""

    def __init__(self, settings: Settings, metrics: Metrics, next_try: str = "") -> None:
        """Prepare; `next_try` says, behind what failed, when it will be tried again."""
        self.names = Names(settings.out, settings.name)
        self.freshness = Freshness(settings.every)
        self.last: dict[str, object] = {}
        """The last cycle, for people."""
        self._figures: dict[str, object] = {}
        self._settings = settings
        self._metrics = metrics
        self._next_try = next_try
        self._archive = Archive(mode=settings.mode)
        self._scrubs = Scrubs(self.names.scrubbed, settings.scrub, metrics)
        self._unusual = Unusual(metrics)
        self._complaints: dict[str, str] = {}
        self._where = discovery.Where(
            directory=os.fsencode(settings.directory),
            include=settings.include,
            exclude=settings.exclude,
            follow_links=settings.follow_links,
            out=os.fsencode(settings.out),
            is_own=self.names.is_own,
        )

    def cycle(self, is_stopping: Callable[[], bool], pause: Callable[[float], bool]) -> Cycle:
        """Make one. Raises BusyError if another process is at it and `pause` will not wait for it."""
        began, cpu = time.time(), time.process_time()
        self._figures = {}
        try:
            with locked(self.names.lock, partial(self._wait, pause)):
                result = self._tried(is_stopping, began)
        except StoppedError:
            result = Result.STOPPED
        except OSError as error:
            result = self._failed(error)
        self._count(result, began, time.time() - began, time.process_time() - cpu)
        return Cycle(result=result, unreadable=self._unusual.unreadable)

    def _wait(self, pause: Callable[[float], bool], seconds: float) -> bool:
        self.freshness.failed(f"another process holds {self.names.lock}; waiting for it")
        return pause(seconds)

    def _tried(self, is_stopping: Callable[[], bool], began: float) -> Result:
        """Make room in any case: a disk that is full may be why it failed."""
        target = self.names.archive(began, self._settings.zone)
        for path in self.names.leftovers():
            path.unlink(missing_ok=True)
        try:
            return self._made(target, is_stopping, began)
        finally:
            self._retain(target)

    def _retain(self, target: Path) -> None:
        """Remove what the budget does not allow; whatever comes of it, the archive is made."""
        try:
            retain(self.names, target, self._settings.keep, self._metrics)
        except OSError as error:
            self._complain("retain", f"cannot remove an old archive: {_explained(error)}; it stays")
        else:
            self._complaints.pop("retain", None)

    def _made(self, target: Path, is_stopping: Callable[[], bool], began: float) -> Result:
        self._unusual.begin()
        found = discovery.find(self._where, self._unlisted)
        if not found:
            self._complain(
                "cycle", f"no file matches in {self._settings.directory}; what is archived stays as it is"
            )
            return Result.EMPTY
        if self._scrubs.is_due(began) and target.exists():
            report = self._unusual.report
            scrubbed = self._archive.scrub(found, self._open, target, report, is_stopping)
            self._scrubs.note(target, scrubbed)
        outcome = self._archive.run(
            found, self._open, target, self._seed(target), self._unusual.report, is_stopping
        )
        self._unusual.end({each.name for each in found})
        self._note(outcome)
        return Result.PUBLISHED if outcome.published else Result.UNCHANGED

    def _open(self, found: Found) -> int:
        return discovery.opened(found, self._where)

    def _seed(self, target: Path) -> Path | None:
        """Give the archive that a new day begins with."""
        if target.exists():
            return None
        earlier = [path for path in self.names.archives() if path < target]
        return earlier[-1] if earlier else None

    def _unlisted(self, path: bytes, error: OSError) -> None:
        text = f"cannot list {os.fsdecode(path)}: {error.strerror}; what is in it is not archived"
        self._unusual.report(Case.UNREADABLE, discovery.member_name(path.lstrip(b"/")), text)

    def _note(self, outcome: Outcome) -> None:
        m = self._metrics
        m.read.inc(outcome.bytes_read)
        m.compressed.inc(outcome.bytes_compressed)
        m.copied.inc(outcome.bytes_copied)
        m.changed.inc(outcome.changed)
        m.size.set(outcome.archive_size)
        m.files.set(outcome.files)
        self._figures = {
            "files": outcome.files,
            "changed_files": outcome.changed,
            "read_bytes": outcome.bytes_read,
            "compressed_bytes": outcome.bytes_compressed,
            "copied_bytes": outcome.bytes_copied,
            "archive_bytes": outcome.archive_size,
        }

    def _failed(self, error: OSError) -> Result:
        text = (
            f"cannot make an archive of {self._settings.directory}: {_explained(error)}; "
            f"the last archive stands{self._next_try}"
        )
        self._complain("cycle", text)
        self.freshness.failed(text)
        return Result.FAILED

    def _count(self, result: Result, began: float, seconds: float, cpu: float) -> None:
        self._metrics.cycles.labels(result.value).inc()
        self._metrics.seconds.observe(seconds)
        self._metrics.cpu.inc(cpu)
        self.last = self._figures | {
            "result": result.value,
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
        }
        if result in {Result.PUBLISHED, Result.UNCHANGED, Result.EMPTY}:
            self._succeeded(result, began)
        log.debug("a cycle has ended", extra=self.last)

    def _succeeded(self, result: Result, began: float) -> None:
        self._metrics.last_success.set_to_current_time()
        self._metrics.age.set_function(lambda: max(0.0, time.time() - began))
        self.freshness.succeeded()
        if result is not Result.EMPTY and self._complaints.pop("cycle", ""):
            log.info("archives are made again")

    def _complain(self, about: str, text: str) -> None:
        """Say it once, until it is another thing."""
        if text != self._complaints.get(about):
            self._complaints[about] = text
            log.warning("%s", text)


def _explained(error: OSError) -> str:
    """Say what failed on what, without the number of a temporary file: the same trouble is the same text."""
    text = error.strerror or str(error)
    if not error.filename:
        return text
    return f"{text}: {_NUMBER.sub('', os.fsdecode(error.filename))}"
