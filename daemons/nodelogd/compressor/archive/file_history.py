"""What was archived of a file before, under its name or another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.compressor.plan.snapshots import take_snapshot
from nodelogd.compressor.scan.file_access import FileAnomaly

if TYPE_CHECKING:
    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.member_table import MemberLocation, MemberTable
    from nodelogd.compressor.plan.snapshots import Snapshot
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import LogFile
    from nodelogd.compressor.scan.log_reader import LogReader


class FileHistory:
    """Takes snapshots that continue those of the previous archive."""

    def __init__(self, previous: MemberTable, access: FileAccess) -> None:
        self._previous = previous
        self._access = access

    def take_snapshot(self, file: LogFile, log: LogReader) -> tuple[Snapshot, MemberLocation | None]:
        """Return a new snapshot, and what was archived of the same file, under this name or another."""
        inode = (log.status.st_dev, log.status.st_ino)
        same_name = self._previous.find(file.name)
        if same_name and same_name.metadata.link:
            same_name = None
        # Not its device: a file system that is mounted again may have another number.
        is_same = same_name is not None and same_name.metadata.inode == log.status.st_ino
        old = same_name if is_same else self._previous.find_inode(*inode)
        metadata = old.metadata if old else None
        snapshot = take_snapshot(log, metadata, waits=self._access.lines_wait)
        if same_name and not (is_same and snapshot.continues):
            self._report_discontinuity(file, log, same_name.metadata)
        if old and self._previous.is_edited(old):
            snapshot = snapshot._replace(is_in_place=True)
        return snapshot, old if snapshot.continues else None

    def _report_discontinuity(self, file: LogFile, log: LogReader, old: FileMetadata) -> None:
        if (old.device, old.inode) != (log.status.st_dev, log.status.st_ino):
            anomaly, text = FileAnomaly.REPLACED, "is another file by now; its content is archived"
        elif log.status.st_size < old.length:
            anomaly, text = FileAnomaly.TRUNCATED, "was truncated; its new content is archived"
        else:
            anomaly, text = (
                FileAnomaly.TRUNCATED,
                "was truncated or written over; its new content is archived",
            )
        self._access.report_anomaly(anomaly, file, text)
