"""The previous archive, which an update starts from: its index is read once and then kept in memory."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelog.archive.index import (
    GZIP_HEADER,
    InvalidIndexError,
    Trailer,
    check_matches,
    encode_index,
    index_path,
    open_blocks,
)
from nodelog.archive.index_blocks import PieceSize, encode_block
from nodelogd.compressor.format.member_table import MemberTable
from nodelogd.compressor.format.pieces import EMPTY_SPAN, Span, archive_end, join_spans
from nodelogd.compressor.format.units import read_unit
from nodelogd.compressor.plan.planning import CopyUnit
from nodelogd.service.files.atomic_publish import publish_atomically
from nodelogd.service.files.own_files import make_way_for_rename, opened_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from nodelogd.compressor.format.units import Unit
    from nodelogd.compressor.plan.planning import Step

log = logging.getLogger(__name__)


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
    end: Span = EMPTY_SPAN
    """The piece with the end of the tar stream."""
    is_verified: bool = False
    """Whether this process has compared all pieces with their checksums."""

    def is_reproduced_by(self, steps: Sequence[Step]) -> bool:
        """Return whether these steps would produce the same archive again."""
        numbers = [step.unit if isinstance(step, CopyUnit) else None for step in steps]
        return self.trailer is not None and numbers == list(range(len(self.table.units)))

    def pieces(self) -> Iterator[tuple[int, Span]]:
        """Yield its pieces, in order, each with its position in the archive."""
        offset = GZIP_HEADER
        for unit in self.table.units:
            for piece in unit.contents().pieces:
                yield offset, piece
                offset += piece.length
        yield offset, self.end

    def encode_index(self) -> Iterator[bytes]:
        """Yield the parts of its index."""
        assert self.trailer is not None  # noqa: S101 (without a trailer the content is unknown)
        end = encode_block([], [PieceSize(*self.end)])
        return encode_index(self.trailer, chain((unit.block for unit in self.table.units), [end]))

    def publish_index(self, archive: Path, mode: int) -> None:
        """Write the index. Raises OSError."""
        make_way_for_rename(index_path(archive))
        with publish_atomically(index_path(archive), mode=mode) as file:
            file.writelines(self.encode_index())
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
        with opened_own(index_path(archive)) as index, open(index, "rb", closefd=False) as file:
            trailer, blocks = open_blocks(file)
            check_matches(trailer, fd)
            units, end = _read_checked(trailer, blocks)
            status = os.fstat(index)
        return PreviousArchive(MemberTable(units), identity, file_identity(status), trailer, end)
    except FileNotFoundError:
        log.warning("%s has no index; everything is compressed again", archive)
    except (InvalidIndexError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        log.warning("cannot use %s: %s; everything is compressed again", index_path(archive), reason)
    return PreviousArchive(MemberTable([]), identity)


def _read_checked(trailer: Trailer, blocks: Iterable[bytes]) -> tuple[list[Unit], Span]:
    """Return units and end. They are copied unread, so they have to make up the whole archive."""
    units: list[Unit] = []
    end, last, length = None, b"", 0
    for block in blocks:
        unit = read_unit(block)
        if end is not None:
            raise InvalidIndexError("something follows the end of the archive")
        if isinstance(unit, Span):
            end = unit
            continue
        length += unit.span.length
        if unit.first_name <= last or length > trailer.length:
            raise InvalidIndexError("its blocks are not in order")
        last = unit.last_name
        units.append(unit)
    if end is None:
        raise InvalidIndexError("the end of the archive is not in it")
    if archive_end(join_spans([*(unit.span for unit in units), end]))[1] != trailer:
        raise InvalidIndexError("its blocks do not add up to its archive")
    return units, end
