"""Find what cycles cannot see: an archive that rotted on its disk, a log that was edited in the middle.

Both checks read everything again: the archive against the checksums of its pieces, and all logs against what
is archived of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nodelog.archive.index import GZIP_END, InvalidIndexError, index_path, parse_index, trailer_bytes
from nodelogd.compressor.archive.output import is_intact
from nodelogd.compressor.archive.previous_archive import max_index_bytes
from nodelogd.compressor.format.pieces import EMPTY_SPAN, GZIP_HEADER, LAST_BLOCK, Span, join_spans
from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.plan.finished_pieces import finished_pieces_match
from nodelogd.compressor.plan.snapshots import finished_length, is_continued, is_unchanged
from nodelogd.service.own_files import read_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from nodelog.archive.index import Index, Member
    from nodelogd.compressor.archive.previous_archive import PreviousArchive
    from nodelogd.compressor.scan.discovery import LogFile
    from nodelogd.compressor.scan.file_access import FileAccess
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
    for piece in archive.pieces():
        access.check_stop()
        if not is_intact(os.pread(fd, piece.length, piece.offset), piece.size, piece.crc):
            return f"{piece.length} bytes at {piece.offset} are damaged"
        whole = join_spans([whole, Span(0, piece.size, piece.crc, b"")])
    return "" if whole.crc == archive.trailer.crc else "its checksum does not match its pieces"


def index_matches(archive: Path, index: Index) -> bool:
    """Return whether the index file on disk equals `index`."""
    try:
        return parse_index(read_own(index_path(archive), max_index_bytes(index.trailer.length))) == index
    except (OSError, InvalidIndexError):
        return False


def find_edited(index: Index, files: Iterable[LogFile], access: FileAccess) -> Iterator[LogFile]:
    """Yield the files whose content no longer matches what was archived, and no cycle would notice it."""
    members = {member.name: member for member in index.members}
    checksums = {piece.start: piece.crc for piece in index.pieces}
    buffer = memoryview(bytearray(CHUNK))
    for file in files:
        member = members.get(file.name)
        if member and access.inspect(file, buffer, partial(_is_edited, member, checksums, access)):
            yield file


def _is_edited(member: Member, checksums: Mapping[int, int], access: FileAccess, log: LogReader) -> bool:
    """Compare a file with its checksums; cycles detect what shows in its times, length or ends."""
    access.check_stop()
    if log.status.st_ino != member.inode:
        return False
    if not is_continued(member, log.status, log.read):
        return is_unchanged(member, log.status, log.status.st_ctime_ns)
    starts = range(member.content, member.content + finished_length(member.length), CHUNK)
    finished = [checksums.get(start, -1) for start in starts]
    return not finished_pieces_match(log, finished, access.check_stop)
