"""Update an archive: compress what has changed, copy the rest, and publish the result as a whole."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nodelog.archive.index import index_path, parse_index
from nodelogd.compressor.archive.assembly import Assembly
from nodelogd.compressor.archive.output import Output, PreviousArchiveError, shares_extents
from nodelogd.compressor.archive.previous_archive import (
    NO_ARCHIVE,
    PreviousArchive,
    file_identity,
    file_identity_at,
    read_previous_archive,
)
from nodelogd.compressor.format.member_table import MemberTable
from nodelogd.compressor.format.pieces import GZIP_HEADER, archive_end
from nodelogd.compressor.plan.change_detection import detect_changes
from nodelogd.compressor.plan.planning import BuildUnit, CopyUnit, plan_units
from nodelogd.compressor.scan.file_access import FileAnomaly
from nodelogd.compressor.upkeep.archive_scrub import ScrubResult, find_damage, find_edited, index_matches
from nodelogd.service.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from nodelogd.compressor.scan.discovery import LogFile
    from nodelogd.compressor.scan.file_access import FileAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an update did."""

    published: bool
    """False if nothing had changed and nothing was written."""
    files: int
    """In the archive."""
    archive_size: int
    changed: int = 0
    """Files that were new or had changed."""
    bytes_read: int = 0
    bytes_compressed: int = 0
    """Of the tar stream."""
    bytes_copied: int = 0
    """Of the previous archive."""


class ArchiveUpdater:
    """Updates an archive repeatedly and remembers what it holds; not thread-safe.

    The caller holds the lock of the archives. An update that ends early leaves the previous archive as it is.
    """

    def __init__(self, *, mode: int = 0o600) -> None:
        """Start without a remembered archive; archives and their indexes get this mode."""
        self._mode = mode
        self._previous: PreviousArchive | None = None
        self._sharing: dict[int, bool] = {}

    def update(
        self, files: Sequence[LogFile], access: FileAccess, target: Path, seed: Path | None
    ) -> UpdateReport:
        """Bring the archive `target` up to date with `files`; if it is missing, start from `seed`.

        Raises StoppedError, and OSError if the archive cannot be made. A file that cannot be read is reported
        and left out, but an archive of no files never replaces one of some.
        """
        path = target if target.exists() else seed
        with self._opened(path) as (previous, fd):
            table = previous.table
            changes = list(detect_changes(files, table, access))
            steps = list(plan_units(changes, table.member_counts))
            if path == target and previous.is_reproduced_by(steps):
                return self._unchanged(target, previous, len(changes))
            with self._distrusting_if_unreadable(path, previous):
                published, report = self._publish(target, UpdatePlan(files, steps, previous, fd, access))
        self._previous = published
        published.publish_index(target, self._mode)
        return replace(report, changed=sum(not item.is_unchanged for item in changes))

    def scrub(self, files: Sequence[LogFile], access: FileAccess, target: Path) -> ScrubResult:
        """Compare the archive `target` with its checksums and with the files; the next update repairs it.

        Raises StoppedError, and OSError if the archive or its index cannot be read.
        """
        with self._opened(target) as (previous, fd):
            if fd is None or previous.trailer is None:
                return ScrubResult()  # its content is unknown; the next update rebuilds all of it
            index = parse_index(previous.encode_index())
            if damage := find_damage(index, fd, access):
                self._distrust(target, previous)
                return ScrubResult(damage=damage)
            if not index_matches(target, index):
                previous.index = None
            edited = list(find_edited(index, files, access))
        if edited:  # should this process die, the next one must not take these files for archived
            index_path(target).unlink(missing_ok=True)
            previous.index = None
        for file in edited:
            previous.table.forget(file.name)
            access.report_anomaly(
                FileAnomaly.EDITED, file, "was edited in its archived part; it is archived again"
            )
        return ScrubResult(edited=len(edited))

    def _distrust(self, path: Path, previous: PreviousArchive) -> None:
        """Remove the index, so that this process or the next one rebuilds everything."""
        index_path(path).unlink(missing_ok=True)
        self._previous = PreviousArchive(MemberTable([]), previous.archive)

    @contextmanager
    def _distrusting_if_unreadable(self, path: Path | None, previous: PreviousArchive) -> Generator[None]:
        """Stop using an archive that cannot be read, or every later update would fail as this one does."""
        try:
            yield
        except PreviousArchiveError:
            assert path is not None  # noqa: S101 (without one nothing is copied)
            self._distrust(path, previous)
            raise

    @contextmanager
    def _opened(self, path: Path | None) -> Generator[tuple[PreviousArchive, int | None]]:
        """Open the previous archive and yield what it holds."""
        if path is None or not path.exists():
            yield NO_ARCHIVE, None
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self._previous is None or self._previous.archive != file_identity(os.fstat(fd)):
                self._previous = read_previous_archive(path, fd)
            yield self._previous, fd
        finally:
            os.close(fd)

    def _unchanged(self, target: Path, previous: PreviousArchive, files: int) -> UpdateReport:
        """Write nothing, unless the index is not the one that was published."""
        if previous.index != file_identity_at(index_path(target)):
            previous.publish_index(target, self._mode)
        return UpdateReport(published=False, files=files, archive_size=previous.archive.size)

    def _publish(self, target: Path, plan: UpdatePlan) -> tuple[PreviousArchive, UpdateReport]:
        with publish_atomically(target, mode=self._mode) as file:
            output = Output(file.fileno(), plan.previous_fd)
            assembly = Assembly(
                output, plan.access, plan.previous.table, is_sharing=self._is_sharing(file.fileno())
            )
            output.write(GZIP_HEADER)
            plan.carry_out(assembly)
            if not assembly.units:
                raise OSError(errno.ENODATA, f"none of {len(plan.files)} files could be read")
            whole = assembly.finish()
            end, trailer = archive_end(whole)
            output.write(end)
            output.flush()
            for _ in output.verify_new_pieces():
                plan.access.check_stop()
            table = MemberTable(assembly.units)
            table.inherit_settled_times(plan.previous.table)
            published = PreviousArchive(
                table,
                file_identity(os.fstat(file.fileno())),
                trailer=trailer,
                end=whole.lines,
            )
        return published, UpdateReport(
            published=True,
            files=sum(published.table.member_counts),
            archive_size=trailer.length,
            bytes_read=assembly.bytes_read,
            bytes_compressed=output.compressed,
            bytes_copied=output.copied,
        )

    def _is_sharing(self, fd: int) -> bool:
        device = os.fstat(fd).st_dev
        if device not in self._sharing:
            self._sharing[device] = shares_extents(fd)
        return self._sharing[device]


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """The steps of an update and what they work on."""

    files: Sequence[LogFile]
    steps: Sequence[CopyUnit | BuildUnit]
    previous: PreviousArchive
    previous_fd: int | None
    access: FileAccess

    def carry_out(self, assembly: Assembly) -> None:
        """Take all steps, in order."""
        for step in self.steps:
            match step:
                case CopyUnit(unit):
                    assembly.copy_unit(unit)
                case BuildUnit(items, is_large=True):
                    assembly.add_large_file(self.files[items[0].file])
                case BuildUnit(items):
                    assembly.add_group((self.files[item.file], item.is_unchanged) for item in items)
