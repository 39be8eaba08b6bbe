"""Whether an archive is whole, and if not, which members are damaged.

With its index each piece is inflated by itself and checked against its CRC, so damage is told exactly and
what is behind it still counts. Without one there is no way past the first damage: gzip has no landmarks.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.archive.archive_reader import ARCHIVE, Archive, Damaged, Found, damaged
from nodelog.archive.index import GZIP_END, padded_size
from nodelog.archive.tar_stream import DamageError, inflated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelog.archive.index import Index, Member, Piece

_BUFFER: Final = 1 << 20
_HEADER: Final = b"\x1f\x8b\x08\x00"
"""gzip, deflate, no extra fields; the six bytes behind it may be anything."""
_LAST: Final = b"\x03\x00"
"""The block that ends the deflate data; CRC and size follow."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it; nothing is damaged if there is no `damaged`."""

    members: int
    """Those that are proved to be whole."""
    size: int
    """Bytes in these, without compression."""
    damaged: tuple[Damaged, ...]


def verify(archive: Archive) -> Verdict:
    """Read all of an archive. Raises OSError."""
    if archive.index is None:
        verdict = _verdict(list(_read(archive)))
        # The only checksum is at the end and of all of it.
        return Verdict(0, 0, verdict.damaged) if verdict.damaged else verdict
    bad, faults = _check(archive, archive.index)
    hit = [(member, _hit(member, bad)) for member in archive.index.members]
    faults += [Damaged(member.name, why) for member, why in hit if why]
    if bad and not faults:
        faults.append(Damaged(ARCHIVE, "what follows its last member is damaged"))
    if faults:
        whole = [member.length for member, why in hit if not why]
        return Verdict(len(whole), sum(whole), tuple(faults))
    return _verdict(list(_structure(archive, archive.index)))


def _verdict(results: list[int | Damaged]) -> Verdict:
    """Sum up the sizes of what is whole, and what is not."""
    faults = tuple(result for result in results if isinstance(result, Damaged))
    sizes = [result for result in results if isinstance(result, int)]
    return Verdict(len(sizes), sum(sizes), faults)


def _read(archive: Archive) -> Iterator[int | Damaged]:
    """Read the content of every member, for an archive without an index."""
    for found in archive.members():
        try:
            yield found if isinstance(found, Damaged) else _size_read(found)
        except (DamageError, tarfile.TarError) as error:
            yield damaged(f"{found.name} and what follows it", error)
            return


def _size_read(found: Found) -> int:
    if found.info.isreg() and (content := found.content) is not None:
        while content.read(_BUFFER):
            pass
    return found.info.size


def _structure(archive: Archive, known: Index) -> Iterator[int | Damaged]:
    """Check that there is nothing in the tar stream but the members of the index, row on row, and its end."""
    at = 0
    for member, found in zip(known.members, archive.members(), strict=True):
        if isinstance(found, Damaged):
            yield found
        elif member.start != at:
            yield Damaged(member.name, f"it begins at byte {member.start} of the tar stream, not at {at}")
        else:
            yield member.length
        at = member.content + padded_size(member.length)
    try:
        archive.end(at)
    except DamageError as error:
        yield Damaged(ARCHIVE, str(error))


def _check(archive: Archive, known: Index) -> tuple[list[Piece], list[Damaged]]:
    """Check all bytes of the file; give the pieces that are damaged, and what else is."""
    bad: list[Piece] = []
    crc = 0
    for piece in known.pieces:
        try:
            crc = zlib.crc32(inflated(archive.file, piece), crc)
        except DamageError:
            bad.append(piece)
        archive.tell(piece.offset + piece.length)
    faults = []
    if os.pread(archive.file.fileno(), len(_HEADER), 0) != _HEADER:
        faults.append(Damaged(ARCHIVE, "its gzip header is damaged"))
    # The CRC and the length behind it are those of the index, or it would not have been taken for its own.
    if os.pread(archive.file.fileno(), len(_LAST), known.trailer.length - GZIP_END) != _LAST:
        faults.append(Damaged(ARCHIVE, "the end of its compressed data is damaged"))
    if not bad and crc != known.trailer.crc:
        faults.append(Damaged(ARCHIVE, "its CRC-32 is not that of its content"))
    return bad, faults


def _hit(member: Member, bad: list[Piece]) -> str:
    """Say what of a member lies in damaged pieces; nothing if it is whole."""
    end = member.content + member.length
    header, places = _within(bad, member.start, member.content), _within(bad, member.content, end)
    said = ["its header is damaged"] if header else []
    return ", ".join([*said, *(f"bytes {first} to {last - 1} are damaged" for first, last in places)])


def _within(bad: list[Piece], start: int, end: int) -> list[tuple[int, int]]:
    """Give what of a part of the tar stream is damaged, counted from its start; neighbours together."""
    places: list[tuple[int, int]] = []
    for piece in bad:
        first, last = max(piece.start, start) - start, min(piece.start + piece.size, end) - start
        if places and places[-1][1] == first < last:
            places[-1] = places[-1][0], last
        elif first < last:
            places.append((first, last))
    return places
