"""The last archive, which a cycle begins with: its index is read once, and then remembered."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodelog.archive.index import (
    InvalidIndexError,
    Trailer,
    check_matches,
    decode_index,
    encode_index,
    index_path,
)
from nodelogd.compressor.format.member_table import Contents
from nodelogd.compressor.format.pieces import ending, joined
from nodelogd.compressor.format.units import units_of
from nodelogd.compressor.plan.planning import Keep
from nodelogd.service.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nodelogd.compressor.format.pieces import Span
    from nodelogd.compressor.format.units import Unit
    from nodelogd.compressor.plan.planning import Make

log = logging.getLogger(__name__)


class Stamp(NamedTuple):
    """Tells a file from any other, and from itself if it was written since."""

    device: int
    inode: int
    size: int
    mtime_ns: int


def stamp(status: os.stat_result) -> Stamp:
    """Give a file's."""
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def stamp_of(path: Path) -> Stamp | None:
    """Give that of the file at `path`, None if there is none."""
    try:
        return stamp(path.stat())
    except FileNotFoundError:
        return None


@dataclass(slots=True)
class Last:
    """An archive and what it holds; nothing if that is not known."""

    contents: Contents
    archive: Stamp
    index: Stamp | None = None
    """None if it is still to be published."""
    trailer: Trailer | None = None
    end: bytes = b""
    """The index's line for the end of the tar stream."""

    def is_all(self, steps: Sequence[Keep | Make]) -> bool:
        """Say whether to do this gives the same archive again."""
        units = self.contents.units
        return self.trailer is not None and steps == [Keep(number) for number in range(len(units))]

    def encoded(self) -> bytes:
        """Give its index."""
        assert self.trailer is not None  # noqa: S101 (without a trailer nothing is known of it)
        return encode_index(self.trailer, [*(unit.lines for unit in self.contents.units), self.end])

    def publish_index(self, archive: Path, mode: int) -> None:
        """Write the index. Raises OSError."""
        with publish_atomically(index_path(archive), mode=mode) as file:
            file.write(self.encoded())
            file.flush()
            status = os.fstat(file.fileno())
        self.index = stamp(status)


NO_ARCHIVE: Final = Last(Contents([]), Stamp(0, 0, 0, 0))
"""What a first cycle begins with."""


def last_of(archive: Path, fd: int) -> Last:
    """Read what an open archive holds; without a good index that is nothing, and costs a full pass."""
    here = stamp(os.fstat(fd))
    try:
        trailer, rows = decode_index(index_path(archive).read_bytes())
        check_matches(trailer, fd)
        units, end = _checked(trailer, rows)
        return Last(Contents(units), here, stamp_of(index_path(archive)), trailer, end.lines)
    except FileNotFoundError:
        log.warning("%s has no index; everything is compressed anew", archive)
    except (InvalidIndexError, OSError) as error:
        log.warning("cannot use %s: %s; everything is compressed anew", index_path(archive), error)
    return Last(Contents([]), here)


def _checked(trailer: Trailer, rows: Iterable[dict[str, Any]]) -> tuple[list[Unit], Span]:
    """Give units and end; what is copied on their word alone has to make up the whole archive."""
    units, end = units_of(rows)
    if ending(joined([*(unit.span for unit in units), end]))[1] != trailer:
        raise InvalidIndexError("its lines do not add up to its archive")
    return units, end
