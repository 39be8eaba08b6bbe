"""Write large files as units of their own: pieces that are known are copied, the others are compressed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelog.archive.index import padded_size
from nodelogd.compressor.archive.output import BLOCK
from nodelogd.compressor.archive.snapshot_metadata import snapshot_metadata, sparse_map
from nodelogd.compressor.format import tar_headers
from nodelogd.compressor.format.pieces import Span, alignment_filler, compress_piece, compress_piece_fast
from nodelogd.compressor.format.units import CHUNK, Unit, make_unit
from nodelogd.compressor.plan.finished_pieces import ZEROS_CRC
from nodelogd.compressor.plan.snapshots import PROBE
from nodelogd.service.files.deflate import SMALL_LEVEL, crc32

if TYPE_CHECKING:
    from nodelogd.compressor.archive.output import Output
    from nodelogd.compressor.format.member_table import MemberLocation, MemberTable
    from nodelogd.compressor.plan.snapshots import Snapshot
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import LogFile
    from nodelogd.compressor.scan.log_reader import LogReader

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


class LargeFiles:
    """The large files of an archive that is being assembled."""

    def __init__(
        self, output: Output, access: FileAccess, previous: MemberTable, *, is_sharing: bool
    ) -> None:
        """Write to `output`; where extents are shared, align long runs so that they can be shared."""
        self._output = output
        self._access = access
        self._previous = previous
        self._is_sharing = is_sharing
        self._hole: tuple[bytes, int] | None = None

    def copy(self, number: int) -> Unit:
        """Copy a unit of the previous archive."""
        unit, start = self._previous.units[number], self._previous.unit_offsets[number]
        contents = self._previous.contents(number)
        skipped = contents.header.length
        is_aligned = not ((start + skipped) % BLOCK or (self._output.position + skipped) % BLOCK)
        is_long = unit.span.length - skipped - contents.tail.length >= MIN_SHARED
        if not self._is_sharing or is_aligned or not is_long or contents.members[0].holes:
            self._output.copy(start, unit.span.length)
            return unit
        header = self._write_header(tar_headers.tar_header(contents.members[0]), is_aligned=True)
        self._output.copy(start + skipped, unit.span.length - skipped)
        moved = make_unit(contents.members, [header, *contents.pieces[1:]], is_large=True)
        return replace(moved, rows=unit.rows)

    def write(self, file: LogFile, log: LogReader, snapshot: Snapshot, old: MemberLocation | None) -> Unit:
        """Write header, finished pieces and the rest; finished pieces that are known are copied."""
        metadata = snapshot_metadata(file, log, snapshot)
        extents = sparse_map(log, metadata.length)
        plain = tar_headers.sparse_header(metadata, extents) if extents else tar_headers.tar_header(metadata)
        header = self._write_header(plain, is_aligned=metadata.length >= CHUNK)
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

    def _write_header(self, data: bytes, *, is_aligned: bool) -> Span:
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
        data = b"".join([content, bytes(padded_size(len(content)) - len(content))])
        piece = compress_piece_fast(data) if is_growing else compress_piece(data, SMALL_LEVEL)
        return self._output.write_piece(piece, len(data), crc32(data))


def _read_chunk(log: LogReader, offset: int) -> memoryview:
    """Return the content of a finished piece; one in a hole is not read."""
    return _ZEROS if log.is_hole(offset, CHUNK) else log.read(offset, CHUNK)


def _chunk_crc(data: memoryview) -> int:
    return ZEROS_CRC if data is _ZEROS else crc32(data)
