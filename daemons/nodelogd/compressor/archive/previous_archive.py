"""The previous archive, which an update starts from: its index is read once and then kept in memory."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodelog.archive.index import (
    GZIP_HEADER,
    InvalidIndexError,
    Piece,
    Trailer,
    check_matches,
    decode_index,
    encode_index,
    index_path,
)
from nodelogd.compressor.format.member_table import MemberTable
from nodelogd.compressor.format.pieces import archive_end, join_spans
from nodelogd.compressor.format.units import parse_units
from nodelogd.compressor.plan.planning import CopyUnit
from nodelogd.service.atomic_publish import publish_atomically
from nodelogd.service.own_files import make_way_for_rename, read_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from nodelogd.compressor.format.pieces import Span
    from nodelogd.compressor.format.units import Unit
    from nodelogd.compressor.plan.planning import BuildUnit

log = logging.getLogger(__name__)

MAX_INDEX_BYTES: Final = 1024**3


def max_index_bytes(archive_bytes: int) -> int:
    """Return the longest index that an archive of this length may have; it is read whole."""
    return min(MAX_INDEX_BYTES, 1024**2 + 64 * archive_bytes)


class FileIdentity(NamedTuple):
    """Distinguishes a file from any other, and from itself before or after a write."""

    device: int
    inode: int
    size: int
    mtime_ns: int


def file_identity(status: os.stat_result) -> FileIdentity:
    """Return the identity of a file with this status."""
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def file_identity_at(path: Path) -> FileIdentity | None:
    """Return the identity of the file at `path`, or None if there is none."""
    try:
        return file_identity(path.lstat())
    except FileNotFoundError:
        return None


@dataclass(slots=True)
class PreviousArchive:
    """An archive and its content; the table is empty if the content is unknown."""

    table: MemberTable
    archive: FileIdentity
    index: FileIdentity | None = None
    """None if the index is still to be published."""
    trailer: Trailer | None = None
    """None if the content is unknown."""
    end: bytes = b""
    """The index line for the end of the tar stream."""
    is_verified: bool = False
    """Whether this process has compared all pieces with their checksums."""

    def is_reproduced_by(self, steps: Sequence[CopyUnit | BuildUnit]) -> bool:
        """Return whether these steps would produce the same archive again."""
        units = self.table.units
        return self.trailer is not None and steps == [CopyUnit(number) for number in range(len(units))]

    def pieces(self) -> Iterator[Piece]:
        """Yield its pieces, in order."""
        offset, start = GZIP_HEADER, 0
        for lines in (*(unit.lines for unit in self.table.units), self.end):
            for line in lines.splitlines():
                row = json.loads(line)
                if "name" not in row:
                    yield Piece(offset=offset, start=start, **row)
                    offset += row["length"]
                    start += row["size"]

    def encode_index(self) -> bytes:
        """Return the content of its index."""
        assert self.trailer is not None  # noqa: S101 (without a trailer the content is unknown)
        return encode_index(self.trailer, [*(unit.lines for unit in self.table.units), self.end])

    def publish_index(self, archive: Path, mode: int) -> None:
        """Write the index. Raises OSError."""
        make_way_for_rename(index_path(archive))
        with publish_atomically(index_path(archive), mode=mode) as file:
            file.write(self.encode_index())
            file.flush()
            status = os.fstat(file.fileno())
        self.index = file_identity(status)


NO_ARCHIVE: Final = PreviousArchive(MemberTable([]), FileIdentity(0, 0, 0, 0))
"""What the first update starts from."""


def read_previous_archive(archive: Path, fd: int) -> PreviousArchive:
    """Return what an open archive holds.

    Without a valid index its content is unknown, which costs a full pass.
    """
    identity = file_identity(os.fstat(fd))
    try:
        trailer, rows = decode_index(read_own(index_path(archive), max_index_bytes(identity.size)))
        check_matches(trailer, fd)
        units, end = _parse_checked(trailer, rows)
        return PreviousArchive(
            MemberTable(units), identity, file_identity_at(index_path(archive)), trailer, end.lines
        )
    except FileNotFoundError:
        log.warning("%s has no index; everything is compressed again", archive)
    except (InvalidIndexError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        log.warning("cannot use %s: %s; everything is compressed again", index_path(archive), reason)
    return PreviousArchive(MemberTable([]), identity)


def _parse_checked(trailer: Trailer, rows: Iterable[dict[str, Any]]) -> tuple[list[Unit], Span]:
    """Return units and end. They are copied unread, so they have to make up the whole archive."""
    units, end = parse_units(rows)
    if archive_end(join_spans([*(unit.span for unit in units), end]))[1] != trailer:
        raise InvalidIndexError("its lines do not add up to its archive")
    return units, end
