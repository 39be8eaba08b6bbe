"""Assemble an archive: copy units of the previous one, read and compress files, each as it is in its turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import FileMetadata, padded_size
from nodelogd.compressor.archive.output import BLOCK
from nodelogd.compressor.archive.snapshot_metadata import snapshot_metadata
from nodelogd.compressor.format import tar_headers
from nodelogd.compressor.format.pieces import (
    EMPTY_SPAN,
    Span,
    alignment_filler,
    compress_piece,
    compress_piece_fast,
    join_spans,
)
from nodelogd.compressor.format.units import CHUNK, LargeUnit, Unit, make_group
from nodelogd.compressor.plan.finished_pieces import ZEROS_CRC
from nodelogd.compressor.plan.snapshots import PROBE, Snapshot, finished_length, take_snapshot
from nodelogd.compressor.scan.file_access import FileAnomaly
from nodelogd.compressor.scan.log_reader import ShrankError, UnreadableError
from nodelogd.service.deflate import SMALL_LEVEL, crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nodelogd.compressor.archive.output import Output
    from nodelogd.compressor.format.member_table import MemberLocation, MemberTable
    from nodelogd.compressor.scan.discovery import LogFile
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.log_reader import LogReader

GROUP_LEVEL: Final = 6
"""For groups, whose pieces are shorter than finished ones; few are rebuilt."""
MIN_SHARED: Final = 16 * BLOCK
"""Bytes of a run of pieces; sharing a shorter one is not worth a new header."""
_ZEROS: Final = memoryview(bytes(CHUNK))


class Assembly:
    """An archive that is being assembled."""

    def __init__(
        self, output: Output, access: FileAccess, previous: MemberTable, *, is_sharing: bool
    ) -> None:
        """Write to `output`; where extents are shared, align long runs so that they can be shared."""
        self.units: list[Unit] = []
        self.bytes_read = 0
        self._output = output
        self._access = access
        self._previous = previous
        self._is_sharing = is_sharing
        self._buffer = memoryview(bytearray(CHUNK))
        self._members: list[FileMetadata] = []
        self._parts: list[bytes] = []
        self._group_unit: int | None = None  # a group of the previous archive
        self._group_content: bytes | None = None  # and its content
        self._hole: tuple[bytes, int] | None = None

    def copy_unit(self, number: int) -> None:
        """Copy a unit of the previous archive."""
        unit, start = self._previous.units[number], self._previous.unit_offsets[number]
        if isinstance(unit, LargeUnit) and self._is_sharing and unit.chunks.length >= MIN_SHARED:
            skipped = unit.header.length
            if (start + skipped) % BLOCK or (self._output.position + skipped) % BLOCK:
                header = self._write_header(unit.metadata, is_aligned=True)
                self._output.copy(start + skipped, unit.chunks.length + unit.tail.length)
                self.units.append(replace(unit, header=header))
                return
        self._output.copy(start, unit.span.length)
        self.units.append(unit)

    def add_large_file(self, file: LogFile) -> None:
        """Archive a file as a unit of its own."""
        self._read(file, self._add_large)

    def add_group(self, files: Iterable[tuple[LogFile, bool]]) -> None:
        """Archive files in one piece, each given with whether it is unchanged.

        A file that turns out to be too large gets a unit of its own.
        """
        for file, is_unchanged in files:
            if not (is_unchanged and self._reuse(file.name)):
                self._read(file, self._add_small)
        self._close_group()

    def finish(self) -> Span:
        """Write the end of the tar stream; return the span of all pieces.

        Its only index line is that of the end.
        """
        done = join_spans(unit.span._replace(lines=b"") for unit in self.units)
        data = tar_headers.tar_end(done.size)
        end = self._output.write_piece(compress_piece_fast(data), len(data), crc32(data))
        return join_spans([done, end])

    def _read(self, file: LogFile, work: Callable[[LogFile, LogReader], None]) -> None:
        self._access.check_stop()
        self.bytes_read += self._access.read(file, self._buffer, work)

    def _add_small(self, file: LogFile, log: LogReader) -> None:
        if log.status.st_size >= CHUNK:
            self._close_group()
            self._add_large(file, log)
            return
        snapshot, _ = self._take_snapshot(file, log)
        length = snapshot.length
        content = bytes(log.read(0, length))
        metadata = snapshot_metadata(file, log, snapshot)
        metadata = replace(metadata, head=crc32(content[:PROBE]), tail=crc32(content))
        self._members.append(metadata)
        self._parts += [tar_headers.tar_header(metadata), content, _padding(length)]

    def _reuse(self, name: str) -> bool:
        """Take an unchanged file from the previous archive, which is cheaper than opening it.

        Return False if its piece is damaged.
        """
        location = self._previous.by_name[name]
        if self._group_unit != location.unit:
            span = self._previous.units[location.unit].span
            start = self._previous.unit_offsets[location.unit]
            self._group_unit = location.unit
            self._group_content = self._output.read_previous_piece(start, span)
        if self._group_content is None:
            return False
        start, metadata = location.start, location.metadata
        self._members.append(metadata)
        end = start + metadata.header + padded_size(metadata.length)
        self._parts.append(self._group_content[start:end])
        return True

    def _close_group(self) -> None:
        if self._members:
            data = b"".join(self._parts)
            span = self._output.write_piece(compress_piece(data, GROUP_LEVEL), len(data), crc32(data))
            self.units.append(make_group(tuple(self._members), span))
            self._members, self._parts = [], []

    def _add_large(self, file: LogFile, log: LogReader) -> None:
        savepoint = self._output.savepoint()
        try:
            snapshot, reusable = self._take_snapshot(file, log)
            metadata = snapshot_metadata(file, log, snapshot)
            is_in_place = snapshot.is_in_place
            self.units.append(self._write_large(metadata, log, reusable, is_in_place=is_in_place))
        except (ShrankError, UnreadableError):
            self._output.roll_back(savepoint)
            raise

    def _take_snapshot(self, file: LogFile, log: LogReader) -> tuple[Snapshot, MemberLocation | None]:
        """Return the snapshot, and the previously archived member that the file continues."""
        inode = (log.status.st_dev, log.status.st_ino)
        self._previous.settled_ctimes.pop(file.name, None)
        same_name = self._previous.by_name.get(file.name)
        # Not its device: a file system that is mounted again may have another number.
        is_same = same_name is not None and same_name.metadata.inode == log.status.st_ino
        old = same_name if is_same else self._previous.by_inode.get(inode)
        metadata = old.metadata if old else None
        snapshot = take_snapshot(log, metadata, waits=self._access.lines_wait)
        if same_name and not (is_same and snapshot.continues):
            self._report_discontinuity(file, log, same_name.metadata)
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
        self, metadata: FileMetadata, log: LogReader, reusable: MemberLocation | None, *, is_in_place: bool
    ) -> LargeUnit:
        """Write header, finished pieces and the rest; finished pieces of `reusable` are copied.

        If the file may have been changed in place, they are compared with the file first.
        """
        header = self._write_header(metadata, is_aligned=metadata.length >= CHUNK)
        old = self._previous.units[reusable.unit] if reusable else None
        chunks, compared, head, done = EMPTY_SPAN, list[Span](), 0, 0
        start = 0
        if reusable and isinstance(old, LargeUnit):
            start = self._previous.unit_offsets[reusable.unit] + old.header.length
            if is_in_place:
                compared = old.chunk_spans()
            else:
                chunks, head, done = old.chunks, reusable.metadata.head, reusable.metadata.finished
                self._output.copy(start, chunks.length)
        spans = [chunks]
        for number, offset in enumerate(range(chunks.size, finished_length(metadata.length), CHUNK)):
            data = _ZEROS if log.is_hole(offset, CHUNK) else log.read(offset, CHUNK)
            head = head if offset else crc32(data[:PROBE])
            done = crc32(data[-PROBE:])
            known = compared[number] if number < len(compared) else None
            spans.append(self._copy_or_write_chunk(data, known, start))
            start += known.length if known else 0
        rest = metadata.length % CHUNK
        data = log.read(metadata.length - rest, rest)
        head = head if metadata.length >= CHUNK else crc32(data[:PROBE])
        is_growing = reusable is not None and reusable.metadata.length < metadata.length
        tail = self._write_tail(data, is_growing=is_growing)
        metadata = replace(metadata, head=head, finished=done, tail=crc32(data))
        return LargeUnit(metadata, header, join_spans(spans), tail)

    def _write_header(self, metadata: FileMetadata, *, is_aligned: bool) -> Span:
        data = tar_headers.tar_header(metadata)
        piece = compress_piece_fast(data)
        if is_aligned and self._is_sharing:
            piece += alignment_filler(self._output.position + len(piece))
        return self._output.write_piece(piece, len(data), crc32(data))

    def _write_chunk(self, data: memoryview) -> Span:
        self._access.check_stop()
        if data is not _ZEROS:
            return self._output.write_piece(compress_piece(data, SMALL_LEVEL), len(data), crc32(data))
        if self._hole is None:
            self._hole = compress_piece(data, SMALL_LEVEL), crc32(data)
        return self._output.write_piece(self._hole[0], len(data), self._hole[1])

    def _copy_or_write_chunk(self, data: memoryview, known: Span | None, start: int) -> Span:
        """Write a finished piece; copy the one at `start` if it is `known` to hold the same."""
        if known is None or known.crc != (ZEROS_CRC if data is _ZEROS else crc32(data)):
            return self._write_chunk(data)
        self._access.check_stop()
        self._output.copy(start, known.length)
        return known

    def _write_tail(self, content: memoryview, *, is_growing: bool) -> Span:
        """Compress as fast as possible what the next cycle replaces, but well what may stay for long."""
        data = b"".join([content, _padding(len(content))])
        piece = compress_piece_fast(data) if is_growing else compress_piece(data, SMALL_LEVEL)
        return self._output.write_piece(piece, len(data), crc32(data))


def _padding(length: int) -> bytes:
    return bytes(padded_size(length) - length)
