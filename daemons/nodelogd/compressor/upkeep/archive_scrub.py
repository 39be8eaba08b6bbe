"""Find what cycles cannot see: an archive that rotted on its disk, a log that was edited without a trace.

Both checks read everything again: the archive against the checksums of its pieces, and all logs against what
was archived of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nodelog.archive.index import GZIP_END, index_path, trailer_bytes
from nodelogd.compressor.archive.output import is_intact
from nodelogd.compressor.format.pieces import EMPTY_SPAN, GZIP_HEADER, LAST_BLOCK, join_spans
from nodelogd.compressor.format.signatures import ROW, may_be_unchanged
from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.plan.finished_pieces import finished_pieces_match
from nodelogd.compressor.plan.snapshots import is_continued
from nodelogd.service.files.own_files import opened_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.archive.previous_archive import PreviousArchive
    from nodelogd.compressor.format.member_table import MemberTable
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import Listing, LogFile
    from nodelogd.compressor.scan.log_reader import LogReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubResult:
    """What a scrub found; the next update repairs it."""

    damage: str = ""
    """One line that says what is wrong with the archive; empty if nothing is."""
    edited: int = 0
    """Files that differ from their archived content."""


def find_damage(archive: PreviousArchive, fd: int, access: FileAccess) -> str:
    """Decompress all of an open archive; return one line about what is wrong with it, empty if nothing is."""
    try:
        return _find_damage(archive, fd, access)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _find_damage(archive: PreviousArchive, fd: int, access: FileAccess) -> str:
    assert archive.trailer is not None  # noqa: S101 (without a trailer there are no pieces)
    end = archive.trailer.length - GZIP_END
    if os.pread(fd, len(GZIP_HEADER), 0) != GZIP_HEADER:
        return "its header is damaged"
    if os.pread(fd, GZIP_END, end) != LAST_BLOCK + trailer_bytes(archive.trailer):
        return "its end is damaged"
    whole = EMPTY_SPAN
    for offset, piece in archive.pieces():
        access.check_stop()
        if not is_intact(os.pread(fd, piece.length, offset), piece.size, piece.crc):
            return f"{piece.length} bytes at {offset} are damaged"
        whole = join_spans([whole, piece])
    return "" if whole.crc == archive.trailer.crc else "its checksum does not match its pieces"


def index_matches(path: Path, archive: PreviousArchive) -> bool:
    """Return whether the index of the archive at `path` is on the disk as it should be."""
    try:
        with opened_own(index_path(path)) as fd, open(fd, "rb", closefd=False) as file:
            return all(file.read(len(part)) == part for part in archive.encode_index()) and not file.read(1)
    except OSError:
        return False


def find_edited(previous: MemberTable, listing: Listing, access: FileAccess) -> Iterator[LogFile]:
    """Yield the files that differ from what was archived of them, unless the next cycle sees that itself."""
    buffer = memoryview(bytearray(CHUNK))
    for number in range(len(previous.units)):
        for at, metadata in enumerate(previous.contents(number).members):
            access.check_stop()
            position = None if metadata.link else listing.find(metadata.name)
            row = previous.units[number].rows[at * ROW : (at + 1) * ROW]
            if position is None:
                continue
            file, is_same = listing.file(position), may_be_unchanged(row, listing.row(position))
            checksums = previous.finished_checksums(number)
            test = partial(_is_edited, metadata, checksums, access, seems_unchanged=is_same)
            if access.inspect(file, buffer, test):
                yield file


def _is_edited(
    metadata: FileMetadata,
    checksums: Sequence[int],
    access: FileAccess,
    log: LogReader,
    *,
    seems_unchanged: bool,
) -> bool:
    status = log.status
    if status.st_ino != metadata.inode:
        return False
    if metadata.holes != (log.file_offset(metadata.length) - metadata.length):
        return seems_unchanged
    if not is_continued(metadata, status, log.read):
        return seems_unchanged and status.st_size == metadata.seen
    return not finished_pieces_match(log, checksums, access.check_stop)
