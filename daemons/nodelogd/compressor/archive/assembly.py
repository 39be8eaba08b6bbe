"""Assemble an archive: copy units of the previous one, read and compress files, each as it is in its turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelog.archive.index import FileMetadata, padded_size
from nodelogd.compressor.archive.output import BLOCK
from nodelogd.compressor.archive.snapshot_metadata import link_metadata, snapshot_metadata
from nodelogd.compressor.format import tar_headers
from nodelogd.compressor.format.pieces import (
    Span,
    alignment_filler,
    compress_piece,
    compress_piece_fast,
)
from nodelogd.compressor.format.signatures import ROW
from nodelogd.compressor.format.units import CHUNK, Unit, make_unit
from nodelogd.compressor.plan.finished_pieces import ZEROS_CRC
from nodelogd.compressor.plan.snapshots import PROBE, take_snapshot
from nodelogd.compressor.scan.file_access import FileAnomaly
from nodelogd.compressor.scan.log_reader import ShrankError, UnreadableError
from nodelogd.service.deflate import SMALL_LEVEL, crc32

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.compressor.archive.output import Output
    from nodelogd.compressor.format.member_table import MemberLocation, MemberTable
    from nodelogd.compressor.plan.change_detection import Changes
    from nodelogd.compressor.plan.planning import CopyUnit
    from nodelogd.compressor.plan.snapshots import Snapshot
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import LogFile
    from nodelogd.compressor.scan.log_reader import LogReader

GROUP_LEVEL: Final = 6
"""For groups, whose pieces are shorter than finished ones; few are rebuilt."""
MIN_SHARED: Final = 16 * BLOCK
"""Bytes of a run of pieces; sharing a shorter one is not worth a new header."""
_ZEROS: Final = memoryview(bytes(CHUNK))


class KnownPiece(NamedTuple):
    """A finished piece of the previous archive."""

    start: int
    """Its position there."""
    span: Span


@dataclass(slots=True)
class FinishedPieces:
    """The finished pieces of a file, and what its metadata says of them."""

    pieces: list[Span] = field(default_factory=list)
    head: int = 0
    end: int = 0

    def add(self, piece: Span, data: memoryview) -> None:
        """Add the next piece, which holds this data."""
        self.head = self.head if self.pieces else crc32(data[:PROBE])
        self.end = crc32(data[-PROBE:])
        self.pieces.append(piece)


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
        self._hole: tuple[bytes, int] | None = None
        self._missing = changes.skipped()  # positions of files that are not archived

    def copy_unit(self, step: CopyUnit) -> None:
        """Copy a unit of the previous archive, unless it links to a file that could not be archived."""
        unit, start = self._previous.units[step.unit], self._previous.unit_offsets[step.unit]
        if unit.has_links and self._missing and self._has_missing_target(step):
            self.add_group(step.start, step.stop)
            return
        if unit.is_large and self._is_sharing and unit.span.length >= MIN_SHARED:
            contents = self._previous.contents(step.unit)
            skipped = contents.header.length
            is_aligned = not ((start + skipped) % BLOCK or (self._output.position + skipped) % BLOCK)
            if not is_aligned and unit.span.length - skipped - contents.tail.length >= MIN_SHARED:
                header = self._write_header(contents.members[0], is_aligned=True)
                self._output.copy(start + skipped, unit.span.length - skipped)
                moved = make_unit(contents.members, [header, *contents.pieces[1:]], is_large=True)
                self.units.append(replace(moved, rows=unit.rows))
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
        snapshot, _ = self._take_snapshot(file, log)
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
            snapshot, old = self._take_snapshot(file, log)
            self.units.append(self._write_large(file, log, snapshot, old))
        except (ShrankError, UnreadableError):
            self._output.roll_back(savepoint)
            raise

    def _take_snapshot(self, file: LogFile, log: LogReader) -> tuple[Snapshot, MemberLocation | None]:
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

    def _write_large(
        self, file: LogFile, log: LogReader, snapshot: Snapshot, old: MemberLocation | None
    ) -> Unit:
        """Write header, finished pieces and the rest; finished pieces that are known are copied."""
        metadata = snapshot_metadata(file, log, snapshot)
        header = self._write_header(metadata, is_aligned=metadata.length >= CHUNK)
        finished = self._write_finished(log, snapshot, old)
        rest = metadata.length % CHUNK
        data = log.read(metadata.length - rest, rest)
        metadata = metadata._replace(
            head=finished.head if finished.pieces else crc32(data[:PROBE]),
            finished=finished.end,
            tail=crc32(data),
        )
        is_growing = old is not None and old.metadata.length < metadata.length
        tail = self._write_tail(data, is_growing=is_growing)
        return make_unit([metadata], [header, *finished.pieces, tail], is_large=True)

    def _write_finished(
        self, log: LogReader, snapshot: Snapshot, old: MemberLocation | None
    ) -> FinishedPieces:
        """Write the finished pieces of a file; those that are as they were archived are copied.

        If the file may have been changed in place, they are compared with the file first.
        """
        known = self._known_pieces(old)
        count = snapshot.length // CHUNK
        done = FinishedPieces()
        if old and known and not snapshot.is_in_place and len(known) <= count:
            self._output.copy(known[0].start, sum(piece.span.length for piece in known))
            pieces = [piece.span for piece in known]
            done = FinishedPieces(pieces, old.metadata.head, old.metadata.finished)
        for number in range(len(done.pieces), count):
            self._access.check_stop()
            data = _read_chunk(log, number * CHUNK)
            archived = known[number] if number < len(known) else None
            if archived and _chunk_crc(data) == archived.span.crc:
                self._output.copy(archived.start, archived.span.length)
                done.add(archived.span, data)
            else:
                done.add(self._write_chunk(data), data)
        return done

    def _known_pieces(self, old: MemberLocation | None) -> list[KnownPiece]:
        """Return the finished pieces of a member of the previous archive, with their positions in it."""
        if old is None or not self._previous.units[old.unit].is_large:
            return []
        contents = self._previous.contents(old.unit)
        start = self._previous.unit_offsets[old.unit] + contents.header.length
        known = []
        for span in contents.chunks:
            known.append(KnownPiece(start, span))
            start += span.length
        return known

    def _write_header(self, metadata: FileMetadata, *, is_aligned: bool) -> Span:
        data = tar_headers.tar_header(metadata)
        piece = compress_piece_fast(data)
        if is_aligned and self._is_sharing:
            piece += alignment_filler(self._output.position + len(piece))
        return self._output.write_piece(piece, len(data), crc32(data))

    def _write_chunk(self, data: memoryview) -> Span:
        if data is not _ZEROS:
            return self._output.write_piece(compress_piece(data, SMALL_LEVEL), len(data), crc32(data))
        if self._hole is None:
            self._hole = compress_piece(data, SMALL_LEVEL), crc32(data)
        return self._output.write_piece(self._hole[0], len(data), self._hole[1])

    def _write_tail(self, content: memoryview, *, is_growing: bool) -> Span:
        """Compress as fast as possible what the next cycle replaces, but well what may stay for long."""
        data = b"".join([content, _padding(len(content))])
        piece = compress_piece_fast(data) if is_growing else compress_piece(data, SMALL_LEVEL)
        return self._output.write_piece(piece, len(data), crc32(data))


def _read_chunk(log: LogReader, offset: int) -> memoryview:
    """Return the content of a finished piece; one in a hole is not read."""
    return _ZEROS if log.is_hole(offset, CHUNK) else log.read(offset, CHUNK)


def _chunk_crc(data: memoryview) -> int:
    return ZEROS_CRC if data is _ZEROS else crc32(data)


def _padding(length: int) -> bytes:
    return bytes(padded_size(length) - length)
