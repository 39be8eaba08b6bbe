"""Looking for what no cycle sees: an archive that rotted on its disk, a log that was edited in the middle.

Both read everything once more: the archive against the sums of its pieces, and of the logs what is archived
in finished pieces, which a cycle never reads again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import GZIP_END, InvalidIndexError, index_path, read_index, trailer_bytes
from nodelogd.compressor.archive.output import holds
from nodelogd.compressor.format.pieces import GZIP_HEADER, LAST_BLOCK, Span, joined
from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.plan.snapshots import finished, is_continued
from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from nodelog.archive.index import Index, Member
    from nodelogd.compressor.scan.discovery import Found
    from nodelogd.compressor.scan.file_access import Outside
    from nodelogd.compressor.scan.log_reader import Log


_HOLE: Final = crc32(bytes(CHUNK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """What a scrub found; the next cycle mends it."""

    damage: str = ""
    """What is wrong with the archive, in a line; empty if nothing is."""
    edited: int = 0
    """Files that are not what is archived of them."""


def damage(index: Index, fd: int, outside: Outside) -> str:
    """Inflate all of an open archive; say in a line what is wrong with it, if anything is."""
    try:
        return _damage(index, fd, outside)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _damage(index: Index, fd: int, outside: Outside) -> str:
    end = index.trailer.length - GZIP_END
    if os.pread(fd, len(GZIP_HEADER), 0) != GZIP_HEADER:
        return "its header is damaged"
    if os.pread(fd, GZIP_END, end) != LAST_BLOCK + trailer_bytes(index.trailer):
        return "its end is damaged"
    for piece in index.pieces:
        outside.check()
        if not holds(os.pread(fd, piece.length, piece.offset), piece.size, piece.crc):
            return f"{piece.length} bytes at {piece.offset} are damaged"
    if joined(Span(0, piece.size, piece.crc, b"") for piece in index.pieces).crc != index.trailer.crc:
        return "its checksum is not that of its pieces"
    return ""


def is_index_of(archive: Path, index: Index) -> bool:
    """Say whether this is what the index file says."""
    try:
        return read_index(index_path(archive)) == index
    except (OSError, InvalidIndexError):
        return False


def edited(index: Index, found: Iterable[Found], outside: Outside) -> Iterator[Found]:
    """Give the files of whose finished pieces one does not read as it was archived."""
    members = {member.name: member for member in index.members if member.length >= CHUNK}
    sums = {piece.start: piece.crc for piece in index.pieces}
    buffer = memoryview(bytearray(CHUNK))
    for each in found:
        member = members.get(each.name)
        if member and outside.peek(each, buffer, partial(_is_edited, member, sums, outside)):
            yield each


def _is_edited(member: Member, sums: Mapping[int, int], outside: Outside, log: Log) -> bool:
    """Read the finished pieces; whatever else has become of a file, a cycle sees by itself."""
    if (log.status.st_dev, log.status.st_ino) != (member.device, member.inode):
        return False
    if not is_continued(member, log.status, log.read):
        return False
    for offset in range(0, finished(member.length), CHUNK):
        outside.check()
        found = _HOLE if log.is_hole(offset, CHUNK) else crc32(log.read(offset, CHUNK))
        if found != sums.get(member.content + offset):
            return True
    return False
