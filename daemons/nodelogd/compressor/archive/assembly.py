"""Assemble an archive: copy units of the previous one, read and compress files, each as it is in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelog.archive.index import FileMetadata, padded_size
from nodelogd.compressor.archive.file_history import FileHistory
from nodelogd.compressor.archive.large_files import LargeFiles
from nodelogd.compressor.archive.snapshot_metadata import link_metadata, snapshot_metadata
from nodelogd.compressor.format import tar_headers
from nodelogd.compressor.format.pieces import Span, compress_piece, compress_piece_fast
from nodelogd.compressor.format.signatures import ROW
from nodelogd.compressor.format.units import CHUNK, Unit, make_unit
from nodelogd.compressor.plan.snapshots import PROBE
from nodelogd.compressor.scan.log_reader import ShrankError, UnreadableError
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.compressor.archive.output import Output
    from nodelogd.compressor.format.member_table import MemberLocation, MemberTable
    from nodelogd.compressor.plan.change_detection import Changes
    from nodelogd.compressor.plan.planning import CopyUnit
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import LogFile
    from nodelogd.compressor.scan.log_reader import LogReader

GROUP_LEVEL: Final = 6
"""For groups, whose pieces are shorter than finished ones; few are rebuilt."""


class Assembly:
    """An archive that is being assembled."""

    def __init__(
        self, output: Output, access: FileAccess, previous: MemberTable, changes: Changes, *, is_sharing: bool
    ) -> None:
        """Write to `output`; where extents are shared, align long runs so that they can be shared."""
        self.units: list[Unit] = []
        self.bytes_read = 0
        self._output = output
        self._access = access
        self._previous = previous
        self._changes = changes
        self._listing = changes.listing
        self._is_sharing = is_sharing
        self._buffer = memoryview(bytearray(CHUNK))
        self._members: list[FileMetadata] = []
        self._parts: list[bytes] = []
        self._group_unit: int | None = None  # a group of the previous archive
        self._group_content: bytes | None = None  # and its content
        self._history = FileHistory(previous, access)
        self._large_files = LargeFiles(output, access, previous, is_sharing=is_sharing)
        self._missing = changes.skipped()  # positions of files that are not archived

    def copy_unit(self, step: CopyUnit) -> None:
        """Copy a unit of the previous archive, unless it links to a file that could not be archived."""
        unit, start = self._previous.units[step.unit], self._previous.unit_offsets[step.unit]
        if unit.has_links and self._missing and self._has_missing_target(step):
            self.add_group(step.start, step.stop)
            return
        if unit.is_large and self._is_sharing:
            self.units.append(self._large_files.copy(step.unit))
            return
        self._output.copy(start, unit.span.length)
        self.units.append(unit)

    def add_large_file(self, position: int) -> None:
        """Archive a file as a unit of its own."""
        self._read(position, self._add_large)

    def add_group(self, start: int, stop: int) -> None:
        """Archive the files from `start` to before `stop` in one piece.

        A file that turns out to be too large gets a unit of its own.
        """
        for position in range(start, stop):
            if self._changes.is_skipped(position):
                continue
            target = self._listing.links.get(position)
            is_lost = target is not None and target in self._missing
            if not is_lost and self._changes.is_unchanged(position) and self._reuse(position):
                continue
            if target is not None and not is_lost and self._add_link(position, target):
                continue
            self._read(position, self._add_small)
        self._close_group()

    def finish(self) -> Span:
        """Write the end of the tar stream; return its span."""
        data = tar_headers.tar_end(sum(unit.span.size for unit in self.units))
        return self._output.write_piece(compress_piece_fast(data), len(data), crc32(data))

    def _has_missing_target(self, step: CopyUnit) -> bool:
        links = self._listing.links
        return any(links.get(position) in self._missing for position in range(step.start, step.stop))

    def _read(self, position: int, work: Callable[[LogFile, LogReader], None]) -> None:
        self._access.check_stop()
        before = len(self.units), len(self._members)
        self.bytes_read += self._access.read(self._listing.file(position), self._buffer, work)
        if before == (len(self.units), len(self._members)):
            self._missing.add(position)

    def _add_small(self, file: LogFile, log: LogReader) -> None:
        if log.status.st_size >= CHUNK:
            self._close_group()
            self._add_large(file, log)
            return
        snapshot, _ = self._history.take_snapshot(file, log)
        content = bytes(log.read(0, snapshot.length))
        metadata = snapshot_metadata(file, log, snapshot)
        metadata = metadata._replace(head=crc32(content[:PROBE]), tail=crc32(content))
        self._members.append(metadata)
        self._parts += [tar_headers.tar_header(metadata), content, _padding(len(content))]

    def _add_link(self, position: int, target: int) -> bool:
        """Archive a file as a hard link; return False if it is another file by now."""
        file, link = self._listing.file(position), self._listing.file(target).name
        found = self._listing.signature(position)

        def add(log: LogReader) -> bool:
            if (log.status.st_dev, log.status.st_ino) != (found.device, found.inode):
                return False
            metadata = link_metadata(file, log, link)
            self._members.append(metadata)
            self._parts.append(tar_headers.tar_header(metadata))
            return True

        return self._access.inspect(file, self._buffer, add)

    def _reuse(self, position: int) -> bool:
        """Take an unchanged file from the previous archive, which is cheaper than opening it.

        Return False if its piece is damaged.
        """
        location = self._previous.find(self._listing.file(position).name)
        if location is None or self._previous.units[location.unit].is_large:
            return False
        if self._group_unit != location.unit:
            span = self._previous.units[location.unit].span
            start = self._previous.unit_offsets[location.unit]
            self._group_unit = location.unit
            self._group_content = self._output.read_previous_piece(start, span)
        if self._group_content is None:
            return False
        self._members.append(self._known_metadata(location, position))
        self._parts.append(self._group_content[location.start : location.end])
        return True

    def _known_metadata(self, location: MemberLocation, position: int) -> FileMetadata:
        """Return the metadata of an unchanged file, with a change time that has been verified since."""
        metadata = location.metadata
        if metadata.ctime_ns or metadata.link:
            return metadata
        archived = self._previous.units[location.unit].rows
        start = location.number * ROW
        if archived[start : start + ROW] == self._listing.row(position):
            return metadata._replace(ctime_ns=self._listing.signature(position).ctime_ns)
        return metadata

    def _close_group(self) -> None:
        if self._members:
            data = b"".join(self._parts)
            span = self._output.write_piece(compress_piece(data, GROUP_LEVEL), len(data), crc32(data))
            self.units.append(make_unit(self._members, [span], is_large=False))
            self._members, self._parts = [], []

    def _add_large(self, file: LogFile, log: LogReader) -> None:
        savepoint = self._output.savepoint()
        try:
            snapshot, old = self._history.take_snapshot(file, log)
            self.units.append(self._large_files.write(file, log, snapshot, old))
        except (ShrankError, UnreadableError):
            self._output.roll_back(savepoint)
            raise


def _padding(length: int) -> bytes:
    return bytes(padded_size(length) - length)
