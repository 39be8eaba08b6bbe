"""A whole cycle: lock, scan, scrub if due, update the archive, remove old archives.

Whatever fails, the existing archive is left unchanged and the next cycle tries again.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from nodelogd.compressor.archive_updater import ArchiveUpdater
from nodelogd.compressor.file_warnings import FileWarnings
from nodelogd.compressor.problem_log import ProblemLog, describe_foreign, explain, why_replaced
from nodelogd.compressor.publications import Publications
from nodelogd.compressor.readiness import Readiness
from nodelogd.compressor.scan import discovery
from nodelogd.compressor.scan.file_access import FileAccess, FileAnomaly, StoppedError
from nodelogd.compressor.scan.size_limits import SizeLimits
from nodelogd.compressor.upkeep.archive_names import ArchiveNames
from nodelogd.compressor.upkeep.archive_retention import apply_retention
from nodelogd.compressor.upkeep.archive_series import ArchiveSeries
from nodelogd.compressor.upkeep.cycle_lock import hold_cycle_lock
from nodelogd.compressor.upkeep.scrub_schedule import ScrubSchedule
from nodelogd.service.files.own_files import is_own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.archive_updater import UpdateReport
    from nodelogd.compressor.metrics import Metrics
    from nodelogd.compressor.scan.listing import Listing, LogFile
    from nodelogd.compressor.settings import Settings

log = logging.getLogger(__name__)


class CycleResult(Enum):
    """How a cycle ended; the values are label values of the metric."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """The outcome of a cycle."""

    result: CycleResult
    unreadable: int = 0
    """Files and folders that could not be read; the rest is archived."""


class Compressor:
    """Runs cycles, one at a time."""

    def __init__(
        self, settings: Settings, metrics: Metrics, next_try: str = "", *, lines_wait: bool = True
    ) -> None:
        """Prepare; `next_try` is added to the log message of a failure and says when the next attempt is.

        Without `lines_wait`, unfinished lines are archived at once, since there may be no further cycle.
        """
        self._lines_wait = lines_wait
        self.names = ArchiveNames(settings.out, settings.name)
        self.readiness = Readiness(settings.interval)
        self.last_cycle: dict[str, object] = {}
        """Figures of the last cycle, for people."""
        self._figures: dict[str, object] = {}
        self._settings = settings
        self._metrics = metrics
        self._next_try = next_try
        self._updater = ArchiveUpdater(mode=settings.mode)
        self._scrub_schedule = ScrubSchedule(self.names.scrub_marker, settings.scrub_interval, metrics)
        self._warnings = FileWarnings(metrics)
        self._problems = ProblemLog()
        self._series = ArchiveSeries(self.names, settings.directory, settings.zone)
        self._publications = Publications(self.names, settings, self._problems)
        self._target: Path | None = None
        self._scan_settings = discovery.ScanSettings(
            directory=os.fsencode(settings.directory),
            include=settings.include,
            exclude=settings.exclude,
            follow_links=settings.follow_links,
            own_folders=tuple(os.fsencode(folder) for folder in self._publications.folders),
            is_own=self.names.own_matcher(),
            limits=SizeLimits(file=settings.max_file, total=settings.max_total),
        )

    def run_cycle(self, is_stopping: Callable[[], bool], pause: Callable[[float], bool]) -> CycleReport:
        """Run one cycle. Raises BusyError if another process runs one and `pause` refuses to wait for it."""
        started, cpu = time.time(), time.process_time()
        self._figures = {}
        try:
            with hold_cycle_lock(self.names.lock, partial(self._wait_for_lock, pause)):
                result = self._run_locked(is_stopping, started)
        except StoppedError:
            result = CycleResult.STOPPED
        except OSError as error:
            result = self._report_failure(error)
        self._count_cycle(result, started, time.time() - started, time.process_time() - cpu)
        return CycleReport(result=result, unreadable=self._warnings.unreadable)

    def _wait_for_lock(self, pause: Callable[[float], bool], seconds: float) -> bool:
        self.readiness.record_failure(f"another process holds {self.names.lock}; waiting for it")
        return pause(seconds)

    def current_archive(self) -> Path:
        """Return the path of the archive that is kept up to date now."""
        return self._target or self._series.todays(time.time())

    def _run_locked(self, is_stopping: Callable[[], bool], started: float) -> CycleResult:
        """Update the archive; remove old ones even if that fails, as a full disk may be the reason."""
        self._target = None
        self._series.check_directory()
        listing = self.names.list_folder()
        for path in listing.leftovers:
            with suppress(OSError):  # the next cycle tries again
                path.unlink(missing_ok=True)
        try:
            return self._update(is_stopping, started, listing.archives)
        finally:
            self._remove_old_archives(self.current_archive())

    def _remove_old_archives(self, target: Path) -> None:
        """Remove what the budget does not allow; a failure does not fail the cycle."""
        try:
            listing = apply_retention(
                self.names, target, self._settings.retention, self._metrics, self._publications.remove
            )
            self._problems.report("foreign", describe_foreign(self.names, listing, target))
        except OSError as error:
            text = f"cannot remove an old archive: {explain(error)}; it is kept"
            self._problems.report("retain", text)
        else:
            self._problems.clear("retain")

    def _update(self, is_stopping: Callable[[], bool], started: float, archives: list[Path]) -> CycleResult:
        self._warnings.begin_cycle()
        files = discovery.find_log_files(self._scan_settings, self._report_unlisted, self._report_left_out)
        if not files:
            text = f"no file matches in {self._settings.directory}; the archive is left as it is"
            self._problems.report("cycle", text)
            return CycleResult.EMPTY
        access = FileAccess(self._open, self._warnings.report, is_stopping, lines_wait=self._lines_wait)
        target = self._target = self._choose_target(files, access, started, archives)
        if self._scrub_schedule.is_due(started) and is_own(target):
            self._scrub_schedule.record(target, self._updater.scrub(files, access, target))
        seed = None if is_own(target) else self._series.seed(target, archives)
        report = self._updater.update(files, access, target, seed)
        self._warnings.end_cycle(files)
        self._report_index(target, report.index_error)
        self._publications.publish(target, access.check_stop)
        self._count_update(report)
        return CycleResult.PUBLISHED if report.published else CycleResult.UNCHANGED

    def _choose_target(
        self, files: Listing, access: FileAccess, started: float, archives: list[Path]
    ) -> Path:
        target = self._series.choose(
            started, archives, lambda archive: self._updater.loses_files(files, access, archive)
        )
        text = ""
        if self._series.finished:
            text = (
                f"{self._series.finished} is finished, and has logs that are gone by now; it is left alone, "
                f"today's logs go to {target.name}; check the clock and --tz"
            )
        self._problems.report("clock", text)
        self._problems.report("archive", why_replaced(target))
        return target

    def _report_index(self, target: Path, error: OSError | None) -> None:
        text = ""
        if error is not None:
            text = (
                f"cannot write the index of {target}: {explain(error)}; "
                f"the archive is up to date without it{self._next_try}"
            )
        self._problems.report("index", text)

    def _open(self, file: LogFile) -> int:
        return discovery.open_log_file(file, self._scan_settings)

    def _report_unlisted(self, path: bytes, error: OSError) -> None:
        text = f"cannot list {os.fsdecode(path)}: {error.strerror}; its content is not archived"
        self._warnings.report(FileAnomaly.UNREADABLE, discovery.member_name(path.lstrip(b"/")), text)

    def _report_left_out(self, name: bytes, why: str) -> None:
        text = f"{os.fsdecode(b'/' + name)} {why}; it is not archived"
        self._warnings.report(FileAnomaly.TOO_LARGE, discovery.member_name(name), text)

    def _count_update(self, report: UpdateReport) -> None:
        m = self._metrics
        m.bytes_read.inc(report.bytes_read)
        m.bytes_compressed.inc(report.bytes_compressed)
        m.bytes_copied.inc(report.bytes_copied)
        m.changed_files.inc(report.changed)
        m.archive_size.set(report.archive_size)
        m.archive_files.set(report.files)
        self._figures = {
            "files": report.files,
            "changed_files": report.changed,
            "read_bytes": report.bytes_read,
            "compressed_bytes": report.bytes_compressed,
            "copied_bytes": report.bytes_copied,
            "archive_bytes": report.archive_size,
        }

    def _report_failure(self, error: OSError) -> CycleResult:
        text = (
            f"cannot update the archive of {self._settings.directory}: {explain(error)}; "
            f"the last archive is unchanged{self._next_try}"
        )
        self._problems.report("cycle", text)
        self.readiness.record_failure(text)
        return CycleResult.FAILED

    def _count_cycle(self, result: CycleResult, started: float, seconds: float, cpu: float) -> None:
        self._metrics.cycles.labels(result.value).inc()
        self._metrics.cycle_seconds.observe(seconds)
        self._metrics.cycle_cpu.inc(cpu)
        self.last_cycle = self._figures | {
            "result": result.value,
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
        }
        if result in {CycleResult.PUBLISHED, CycleResult.UNCHANGED, CycleResult.EMPTY}:
            self._record_success(result, started)
        log.debug("a cycle has ended", extra=self.last_cycle)

    def _record_success(self, result: CycleResult, started: float) -> None:
        self._metrics.last_success.set_to_current_time()
        self._metrics.age.set_function(lambda: max(0.0, time.time() - started))
        self.readiness.record_success()
        if result is not CycleResult.EMPTY and self._problems.clear("cycle"):
            log.info("the archive is updated again")
