"""Making an archive: units copied from the last one, files read and compressed, each as it is in its turn."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import FileMetadata, padded_size
from nodelogd.compressor.archive.output import BLOCK
from nodelogd.compressor.format import tar_headers
from nodelogd.compressor.format.pieces import NOTHING, Span, filler, joined, packed, packed_fast
from nodelogd.compressor.format.units import CHUNK, Large, Unit, group
from nodelogd.compressor.plan.snapshots import PROBE, finished, settled
from nodelogd.compressor.scan.file_access import Case
from nodelogd.compressor.scan.log_reader import ShrankError, UnreadableError
from nodelogd.service.deflate import SMALL_LEVEL, crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nodelogd.compressor.archive.output import Output
    from nodelogd.compressor.format.member_table import Contents, Place
    from nodelogd.compressor.scan.discovery import Found
    from nodelogd.compressor.scan.file_access import Outside
    from nodelogd.compressor.scan.log_reader import Log

LEVEL_GROUP: Final = 6
"""For groups, whose pieces are shorter than finished ones; few are made anew."""
SHARED: Final = 16 * BLOCK
"""Bytes of a run of pieces from which on sharing them is worth a new header."""
_ZEROS: Final = memoryview(bytes(CHUNK))


class Assembly:
    """One archive in the making."""

    def __init__(self, output: Output, outside: Outside, last: Contents, *, is_sharing: bool) -> None:
        """Write to `output`; where extents are shared, long runs begin where that is possible."""
        self.units: list[Unit] = []
        self.bytes_read = 0
        self._output = output
        self._outside = outside
        self._last = last
        self._is_sharing = is_sharing
        self._buffer = memoryview(bytearray(CHUNK))
        self._members: list[FileMetadata] = []
        self._parts: list[bytes] = []
        self._opened: int | None = None  # a group of the last archive
        self._old: bytes | None = None  # and what it holds
        self._hole: tuple[bytes, int] | None = None

    def keep(self, number: int) -> None:
        """Copy a unit of the last archive."""
        unit, start = self._last.units[number], self._last.starts[number]
        if isinstance(unit, Large) and self._is_sharing and unit.chunks.length >= SHARED:
            skipped = unit.header.length
            if (start + skipped) % BLOCK or (self._output.position + skipped) % BLOCK:
                header = self._header(unit.details, is_aligned=True)
                self._output.copy(start + skipped, unit.chunks.length + unit.tail.length)
                self.units.append(replace(unit, header=header))
                return
        self._output.copy(start, unit.span.length)
        self.units.append(unit)

    def large(self, found: Found) -> None:
        """Archive a file as a unit of its own."""
        self._read(found, self._large)

    def group(self, files: Iterable[tuple[Found, bool]]) -> None:
        """Archive some files, each with whether it is unchanged, in one piece.

        One that turns out to be too long gets a unit of its own.
        """
        for found, is_unchanged in files:
            if not (is_unchanged and self._reuse(found.name)):
                self._read(found, self._small)
        self._close_group()

    def end(self) -> Span:
        """Write the end of the tar stream; give all pieces, and no lines."""
        done = joined(unit.span._replace(lines=b"") for unit in self.units)
        data = tar_headers.ending(done.size)
        end = self._output.piece(packed_fast(data), len(data), crc32(data))
        return joined([done, end])

    def _read(self, found: Found, work: Callable[[Found, Log], None]) -> None:
        self._outside.check()
        self.bytes_read += self._outside.read(found, self._buffer, work)

    def _small(self, found: Found, log: Log) -> None:
        if log.status.st_size >= CHUNK:
            self._close_group()
            self._large(found, log)
            return
        length, _ = self._taken(found, log)
        content = bytes(log.read(0, length))
        details = _details(found, log, length)
        details = replace(details, head=crc32(content[:PROBE]), tail=crc32(content))
        self._members.append(details)
        self._parts += [tar_headers.header(details), content, _padding(length)]

    def _reuse(self, name: str) -> bool:
        """Take an unchanged file from the last archive: cheaper than to open it. False if that is damaged."""
        place = self._last.names[name]
        if self._opened != place.unit:
            span, start = self._last.units[place.unit].span, self._last.starts[place.unit]
            self._opened, self._old = place.unit, self._output.old_piece(start, span)
        if self._old is None:
            return False
        start, details = place.start, place.details
        self._members.append(details)
        self._parts.append(self._old[start : start + details.header + padded_size(details.length)])
        return True

    def _close_group(self) -> None:
        if self._members:
            data = b"".join(self._parts)
            span = self._output.piece(packed(data, LEVEL_GROUP), len(data), crc32(data))
            self.units.append(group(tuple(self._members), span))
            self._members, self._parts = [], []

    def _large(self, found: Found, log: Log) -> None:
        mark = self._output.mark()
        try:
            length, last = self._taken(found, log)
            self.units.append(self._made(_details(found, log, length), log, last))
        except (ShrankError, UnreadableError):
            self._output.back(mark)
            raise

    def _taken(self, found: Found, log: Log) -> tuple[int, Place | None]:
        """Give the length of the snapshot, and what the last archive has of this file if that goes on."""
        file = (log.status.st_dev, log.status.st_ino)
        name = found.name
        self._last.settled.pop(name, None)
        named = self._last.names.get(name)
        is_same = named is not None and (named.details.device, named.details.inode) == file
        last = named if is_same else self._last.inodes.get(file)
        length, is_continued = log.take(last.details if last else None)
        if is_same and not is_continued:
            self._outside.tell(Case.TRUNCATED, found, "was truncated; what it holds now is archived")
        elif named and not is_same:
            self._outside.tell(Case.REPLACED, found, "is another file by now; what it holds is archived")
        # A line that was archived unfinished and grows on may take back what was finished with it.
        has_all = last is not None and is_continued and length >= finished(last.details.length)
        return length, last if has_all else None

    def _made(self, details: FileMetadata, log: Log, last: Place | None) -> Large:
        """Write header, finished pieces and the rest; finished pieces that `last` has are copied."""
        header = self._header(details, is_aligned=details.length >= CHUNK)
        old = self._last.units[last.unit] if last else None
        chunks, head, done = NOTHING, 0, 0
        if last and isinstance(old, Large):
            chunks, head, done = old.chunks, last.details.head, last.details.finished
            self._output.copy(self._last.starts[last.unit] + old.header.length, chunks.length)
        spans = [chunks]
        for offset in range(chunks.size, finished(details.length), CHUNK):
            data = _ZEROS if log.is_hole(offset, CHUNK) else log.read(offset, CHUNK)
            head = head if offset else crc32(data[:PROBE])
            spans.append(self._chunk(data))
            done = crc32(data[-PROBE:])
        rest = details.length % CHUNK
        data = log.read(details.length - rest, rest)
        head = head if details.length >= CHUNK else crc32(data[:PROBE])
        tail = self._tail(data, is_hot=last is not None and last.details.length < details.length)
        details = replace(details, head=head, finished=done, tail=crc32(data))
        return Large(details, header, joined(spans), tail)

    def _header(self, details: FileMetadata, *, is_aligned: bool) -> Span:
        data = tar_headers.header(details)
        piece = packed_fast(data)
        if is_aligned and self._is_sharing:
            piece += filler(self._output.position + len(piece))
        return self._output.piece(piece, len(data), crc32(data))

    def _chunk(self, data: memoryview) -> Span:
        self._outside.check()
        if data is not _ZEROS:
            return self._output.piece(packed(data, SMALL_LEVEL), len(data), crc32(data))
        if self._hole is None:
            self._hole = packed(data, SMALL_LEVEL), crc32(data)
        return self._output.piece(self._hole[0], len(data), self._hole[1])

    def _tail(self, content: memoryview, *, is_hot: bool) -> Span:
        """Compress what the next cycle makes anew as fast as possible, but well what may stay for long."""
        data = b"".join([content, _padding(len(content))])
        return self._output.piece(
            packed_fast(data) if is_hot else packed(data, SMALL_LEVEL), len(data), crc32(data)
        )


def _padding(length: int) -> bytes:
    return bytes(padded_size(length) - length)


def _details(found: Found, log: Log, length: int) -> FileMetadata:
    """Say what a file is; the sums of its content are still missing."""
    status = log.status
    return FileMetadata(
        name=found.name,
        header=tar_headers.header_size(found.name),
        length=length,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        user=tar_headers.user(status.st_uid),
        group=tar_headers.group(status.st_gid),
        mtime_ns=status.st_mtime_ns,
        ctime_ns=settled(status, log.now_ns),
        device=status.st_dev,
        inode=status.st_ino,
        seen=status.st_size,
        head=0,
        finished=0,
        tail=0,
    )
