"""Update an archive: compress what has changed, copy the rest, and publish the result as a whole."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nodelog.archive.index import index_path
from nodelogd.compressor.archive.assembly import Assembly
from nodelogd.compressor.archive.output import Output, PreviousArchiveError, shares_extents
from nodelogd.compressor.archive.previous_archive import (
    NO_ARCHIVE,
    PreviousArchive,
    file_identity,
    file_identity_at,
    read_previous_archive,
)
from nodelogd.compressor.archive.update_plan import UpdatePlan
from nodelogd.compressor.format.member_table import MemberTable
from nodelogd.compressor.format.pieces import GZIP_HEADER, archive_end, join_spans
from nodelogd.compressor.plan.change_detection import Changes, keeps_all
from nodelogd.compressor.plan.planning import plan_units
from nodelogd.compressor.scan.file_access import FileAnomaly
from nodelogd.compressor.upkeep.archive_scrub import ScrubResult, find_damage, find_edited, index_matches
from nodelogd.service.files.atomic_publish import publish_atomically
from nodelogd.service.files.own_files import ForeignFileError, is_own, make_way_for_rename, open_own

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import Listing

log = logging.getLogger(__name__)


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
    index_error: OSError | None = None
    """Why the index could not be written; the archive does not need it, but the next process does."""


class ArchiveUpdater:
    """Updates an archive repeatedly and remembers what it holds; not thread-safe.

    The caller holds the lock of the archives. An update that ends early leaves the previous archive as it is.
    """

    def __init__(self, *, mode: int = 0o600) -> None:
        """Start without a remembered archive; archives and their indexes get this mode."""
        self._mode = mode
        self._previous: PreviousArchive | None = None
        self._sharing: dict[int, bool] = {}

    def update(self, files: Listing, access: FileAccess, target: Path, seed: Path | None) -> UpdateReport:
        """Bring the archive `target` up to date with `files`; if it is missing, start from `seed`.

        A file at `target` that is not ours is not read; it is replaced.
        Raises StoppedError, and OSError if the archive cannot be made. A file that cannot be read is reported
        and left out, but an archive of no files never replaces one of some.
        """
        path = target if is_own(target) else seed
        with self._opened(path) as (previous, fd):
            changes = Changes(files, previous.table, access)
            steps = list(plan_units(changes.find_runs(), changes.item_size))
            if path == target and previous.is_reproduced_by(steps):
                return self._unchanged(target, previous, changes.files)
            if path and fd is not None and not self._is_sound(path, previous, fd, access):
                return self.update(files, access, target, seed)
            with self._distrusting_if_unreadable(path, previous):
                published, report = self._publish(target, UpdatePlan(changes, steps, previous, fd, access))
        self._previous = published
        return replace(report, changed=changes.count, index_error=self._publish_index(target, published))

    def loses_files(self, files: Listing, access: FileAccess, archive: Path) -> bool:
        """Return whether an update with `files` would remove anything that an archive holds.

        That is also assumed if its content is unknown. Raises StoppedError, OSError.
        """
        with self._opened(archive) as (previous, fd):
            if fd is None or previous.trailer is None:
                return True
            return not keeps_all(files, previous.table, access)

    def scrub(self, files: Listing, access: FileAccess, target: Path) -> ScrubResult:
        """Compare the archive `target` with its checksums and with the files; the next update repairs it.

        Raises StoppedError, and OSError if the archive or its index cannot be read.
        """
        with self._opened(target) as (previous, fd):
            if fd is None or previous.trailer is None:
                return ScrubResult()  # its content is unknown; the next update rebuilds all of it
            if damage := find_damage(previous, fd, access):
                self._distrust(target, previous)
                return ScrubResult(damage=damage)
            previous.is_verified = True
            if not index_matches(target, previous):
                previous.index = None
            edited = list(find_edited(previous.table, files, access))
        if edited:  # should this process die, the next one must not take these files for archived
            _remove_index(target)
            previous.index = None
        for file in edited:
            previous.table.mark_edited(file.name)
            access.report_anomaly(
                FileAnomaly.EDITED, file, "was edited in its archived part; it is archived again"
            )
        return ScrubResult(edited=len(edited))

    def _distrust(self, path: Path, previous: PreviousArchive) -> None:
        """Remove the index, so that this process or the next one rebuilds everything."""
        _remove_index(path)
        self._previous = PreviousArchive(MemberTable([]), previous.archive)

    def _is_sound(self, path: Path, previous: PreviousArchive, fd: int, access: FileAccess) -> bool:
        """Compare all pieces with their checksums, once per process: whoever wrote the index may be wrong."""
        if previous.trailer is None or previous.is_verified:
            return True
        if damage := find_damage(previous, fd, access):
            log.error("%s is damaged: %s; everything is compressed again", path, damage)
            self._distrust(path, previous)
            return False
        previous.is_verified = True
        return True

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
        """Open the previous archive and yield what it holds; one that is not ours holds nothing."""
        try:
            fd = open_own(path) if path else None
        except (FileNotFoundError, ForeignFileError):
            fd = None
        if path is None or fd is None:
            yield NO_ARCHIVE, None
            return
        try:
            if self._previous is None or self._previous.archive != file_identity(os.fstat(fd)):
                self._previous = read_previous_archive(path, fd)
            yield self._previous, fd
        finally:
            os.close(fd)

    def _unchanged(self, target: Path, previous: PreviousArchive, files: int) -> UpdateReport:
        """Write nothing, unless the index is not the one that was published."""
        error = None
        if previous.index is None or previous.index != file_identity_at(index_path(target)):
            error = self._publish_index(target, previous)
        return UpdateReport(
            published=False, files=files, archive_size=previous.archive.size, index_error=error
        )

    def _publish_index(self, target: Path, archive: PreviousArchive) -> OSError | None:
        """Write the index of an archive; return what went wrong. The archive stands without it."""
        try:
            archive.publish_index(target, self._mode)
        except OSError as error:
            archive.index = None
            _remove_index(target)  # that of an older archive; on a full disk it may be what takes the room
            return error
        return None

    def _publish(self, target: Path, plan: UpdatePlan) -> tuple[PreviousArchive, UpdateReport]:
        make_way_for_rename(target)
        with publish_atomically(target, mode=self._mode) as file:
            output = Output(file.fileno(), plan.previous_fd)
            assembly = Assembly(
                output,
                plan.access,
                plan.previous.table,
                plan.changes,
                is_sharing=self._is_sharing(file.fileno()),
            )
            output.write(GZIP_HEADER)
            plan.carry_out(assembly)
            if not assembly.units:
                raise OSError(errno.ENODATA, f"none of {len(plan.changes.listing)} files could be read")
            last = assembly.finish()
            end, trailer = archive_end(join_spans([*(unit.span for unit in assembly.units), last]))
            output.write(end)
            output.flush()
            for _ in output.verify_new_pieces():
                plan.access.check_stop()
            published = PreviousArchive(
                MemberTable(assembly.units),
                file_identity(os.fstat(file.fileno())),
                trailer=trailer,
                end=last,
                is_verified=True,
            )
        return published, UpdateReport(
            published=True,
            files=published.table.files,
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


def _remove_index(archive: Path) -> None:
    """Remove the index of an archive; what is not ours is never trusted and stays."""
    if is_own(index_path(archive)):
        index_path(archive).unlink(missing_ok=True)
