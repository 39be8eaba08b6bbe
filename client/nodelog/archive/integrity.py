"""Whether an archive is intact and, if not, which members are damaged.

With an index, each piece is inflated on its own and checked against its CRC, so damage is located exactly and
what comes after it still counts. Without one there is no way past the first damage: gzip has no
synchronization points.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.archive.archive_reader import ARCHIVE, Archive, ArchiveMember, DamagedPart, damaged_part
from nodelog.archive.index import GZIP_END
from nodelog.archive.tar_stream import DamageError, inflate_piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nodelog.archive.index import Index, Member, Piece

_BUFFER: Final = 1 << 20
_HEADER: Final = b"\x1f\x8b\x08\x00"
"""gzip, deflate, no optional fields; the six bytes that follow may be anything."""
_LAST_BLOCK: Final = b"\x03\x00"
"""The block that ends the deflate data; CRC and size follow it."""


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """The result of a check; the archive is intact if `damaged` is empty."""

    members: int
    """Members known to be intact."""
    size: int
    """Uncompressed bytes of these members."""
    damaged: tuple[DamagedPart, ...]


def check_integrity(archive: Archive) -> IntegrityReport:
    """Read and check a whole archive. Raises OSError."""
    if archive.index is None:
        report = _summarize(_read_members(archive))
        # The only checksum is at the end and covers everything.
        return IntegrityReport(0, 0, report.damaged) if report.damaged else report
    bad_pieces, damaged = _check_bytes(archive, archive.index)
    if not bad_pieces and not damaged:
        return _summarize(_check_structure(archive, archive.index))
    count = size = 0
    for member in archive.index.find():
        if why := _describe_damage(member, bad_pieces):
            damaged.append(DamagedPart(member.name, why))
        else:
            count, size = count + 1, size + member.length
    if not damaged:
        damaged.append(DamagedPart(ARCHIVE, "what follows its last member is damaged"))
    return IntegrityReport(count, size, tuple(damaged))


def _summarize(results: Iterable[int | DamagedPart]) -> IntegrityReport:
    """Return a report on the sizes of intact members and on damaged parts."""
    damaged = []
    count = size = 0
    for result in results:
        if isinstance(result, DamagedPart):
            damaged.append(result)
        else:
            count, size = count + 1, size + result
    return IntegrityReport(count, size, tuple(damaged))


def _read_members(archive: Archive) -> Iterator[int | DamagedPart]:
    """Read the content of every member of an archive without an index; yield sizes and damage."""
    for member in archive.members():
        try:
            yield member if isinstance(member, DamagedPart) else _read_content(member)
        except (DamageError, tarfile.TarError) as error:
            yield damaged_part(f"{member.name} and what follows it", error)
            return


def _read_content(member: ArchiveMember) -> int:
    if member.info.isreg() and (content := member.open_content()) is not None:
        while content.read(_BUFFER):
            pass
    return member.info.size


def _check_structure(archive: Archive, index: Index) -> Iterator[int | DamagedPart]:
    """Check that the tar stream consists of the index's members, without gaps, and its end."""
    position = 0
    for member, found in zip(index.find(), archive.members(), strict=True):
        if isinstance(found, DamagedPart):
            yield found
        elif member.start != position:
            why = f"it begins at byte {member.start} of the tar stream, not at {position}"
            yield DamagedPart(member.name, why)
        else:
            yield member.length
        position = member.end
    try:
        archive.check_end(position)
    except DamageError as error:
        yield DamagedPart(ARCHIVE, str(error))


def _check_bytes(archive: Archive, index: Index) -> tuple[list[Piece], list[DamagedPart]]:
    """Check all bytes of the file; return the damaged pieces and any damage outside of the pieces."""
    bad_pieces: list[Piece] = []
    crc = 0
    for piece in index.pieces:
        try:
            crc = zlib.crc32(inflate_piece(archive.file, piece), crc)
        except DamageError:
            bad_pieces.append(piece)
        archive.on_progress(piece.offset + piece.length)
    damaged = []
    if os.pread(archive.file.fileno(), len(_HEADER), 0) != _HEADER:
        damaged.append(DamagedPart(ARCHIVE, "its gzip header is damaged"))
    # The CRC and the length that follow equal those in the index, or the index would not have been accepted.
    last_block = os.pread(archive.file.fileno(), len(_LAST_BLOCK), index.trailer.length - GZIP_END)
    if last_block != _LAST_BLOCK:
        damaged.append(DamagedPart(ARCHIVE, "the end of its compressed data is damaged"))
    if not bad_pieces and crc != index.trailer.crc:
        damaged.append(DamagedPart(ARCHIVE, "its CRC-32 is not that of its content"))
    return bad_pieces, damaged


def _describe_damage(member: Member, bad_pieces: list[Piece]) -> str:
    """Return which parts of a member lie in damaged pieces; empty if it is intact."""
    end = member.content + member.length
    header = _overlaps(bad_pieces, member.start, member.content)
    ranges = _overlaps(bad_pieces, member.content, end)
    parts = ["its header is damaged"] if header else []
    return ", ".join([*parts, *(f"bytes {first} to {last - 1} are damaged" for first, last in ranges)])


def _overlaps(bad_pieces: list[Piece], start: int, end: int) -> list[tuple[int, int]]:
    """Return the damaged ranges between `start` and `end`, relative to `start`; adjacent ones are merged."""
    ranges: list[tuple[int, int]] = []
    for piece in bad_pieces:
        first, last = max(piece.start, start) - start, min(piece.start + piece.size, end) - start
        if ranges and ranges[-1][1] == first < last:
            ranges[-1] = ranges[-1][0], last
        elif first < last:
            ranges.append((first, last))
    return ranges
