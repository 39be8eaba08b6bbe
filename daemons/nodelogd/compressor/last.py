"""The last archive, which a cycle begins with: its index is read once, and then remembered."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelog.archive.index import IndexFault, Trailer, check, decoded, encoded, index_of
from nodelogd.compressor.contents import Contents
from nodelogd.compressor.units import units_of
from nodelogd.publish import publishing

if TYPE_CHECKING:
    from pathlib import Path

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

    def encoded(self) -> bytes:
        """Give its index."""
        assert self.trailer is not None  # noqa: S101 (without a trailer nothing is known of it)
        return encoded(self.trailer, [*(unit.lines for unit in self.contents.units), self.end])

    def publish_index(self, archive: Path, mode: int) -> None:
        """Write the index. Raises OSError."""
        with publishing(index_of(archive), mode=mode) as file:
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
        trailer, rows = decoded(index_of(archive).read_bytes())
        check(trailer, fd)
        units, end = units_of(rows)
        return Last(Contents(units), here, stamp_of(index_of(archive)), trailer, end.lines)
    except FileNotFoundError:
        log.warning("%s has no index; everything is compressed anew", archive)
    except (IndexFault, OSError) as error:
        log.warning("cannot use %s: %s; everything is compressed anew", index_of(archive), error)
    return Last(Contents([]), here)
