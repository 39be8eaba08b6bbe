"""Detect which files are still as they were archived, by their times and lengths."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from nodelog.archive.index import padded_size
from nodelogd.compressor.format.tar_headers import header_size
from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.plan.finished_pieces import finished_pieces_match
from nodelogd.compressor.plan.planning import LARGE, PlanItem
from nodelogd.compressor.plan.snapshots import ends_in_zeros, is_continued, is_unchanged, settled_ctime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.member_table import MemberLocation, MemberTable
    from nodelogd.compressor.scan.discovery import LogFile
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.log_reader import LogReader


def detect_changes(files: Sequence[LogFile], previous: MemberTable, access: FileAccess) -> Iterator[PlanItem]:
    """Compare each file with the previous archive, and read those that may have changed without a trace.

    New files are opened, too: one that cannot be opened is no change; otherwise every cycle would write a new
    archive because of it.
    """
    by_name = previous.by_name
    for number, file in enumerate(files):
        location = by_name.get(file.name)
        if location is not None and _is_unchanged(file, location, previous, access):
            yield PlanItem(number, location.size, location.unit, location.is_large, is_unchanged=True)
        elif location is not None or access.can_open(file):
            size = file.status.st_size
            is_large = size >= LARGE
            unit = None if location is None or location.is_large else location.unit
            yield PlanItem(
                number,
                header_size(file.name) + padded_size(size),
                None if is_large else unit,
                is_large,
                is_unchanged=False,
            )


def keeps_all(files: Iterable[LogFile], previous: MemberTable, access: FileAccess) -> bool:
    """Return whether each archived file is still there with everything that was archived of it."""
    present = {file.name: file for file in files}
    return all(
        name in present
        and (
            _is_unchanged(present[name], location, previous, access)
            or _is_continued(present[name], location.metadata, access)
        )
        for name, location in previous.by_name.items()
    )


def _is_continued(file: LogFile, metadata: FileMetadata, access: FileAccess) -> bool:
    access.check_stop()
    buffer = memoryview(bytearray(CHUNK))
    return access.inspect(file, buffer, lambda log: is_continued(metadata, log.status, log.read))


def _is_unchanged(file: LogFile, location: MemberLocation, previous: MemberTable, access: FileAccess) -> bool:
    metadata = location.metadata
    if metadata.ctime_ns:
        return is_unchanged(metadata, file.status, metadata.ctime_ns)
    if (known := previous.settled_ctimes.get(metadata.name)) is not None:
        return is_unchanged(metadata, file.status, known)
    return is_unchanged(metadata, file.status, file.status.st_ctime_ns) and _is_verified(
        file, location, previous, access
    )


def _is_verified(file: LogFile, location: MemberLocation, previous: MemberTable, access: FileAccess) -> bool:
    """Read a file that was so young at its snapshot that its times prove nothing."""
    metadata = location.metadata

    def verify(log: LogReader) -> bool:
        status = log.status
        if not (
            is_unchanged(metadata, status, status.st_ctime_ns)
            and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            == (metadata.mode, metadata.uid, metadata.gid)
            and is_continued(metadata, status, log.read)
            and finished_pieces_match(log, previous.finished_checksums(location), access.check_stop)
        ):
            return False
        is_in_place = ends_in_zeros(log, metadata.length)
        if time := settled_ctime(status, log.now_ns, is_in_place=is_in_place):
            previous.settled_ctimes[metadata.name] = time
        return True

    return access.inspect(file, memoryview(bytearray(CHUNK)), verify)
