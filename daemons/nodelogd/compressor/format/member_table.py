"""The members of the previous archive: read from its index once, then kept in memory from cycle to cycle."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from nodelog.archive.index import GZIP_HEADER, padded_size
from nodelogd.compressor.format.units import LargeUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.units import Unit


class MemberLocation(NamedTuple):
    """A member and its position in the archive."""

    metadata: FileMetadata
    unit: int
    start: int
    """Offset of its header in the tar stream of the unit."""
    size: int
    """Bytes of header and content."""
    is_large: bool
    """Whether it has the unit to itself."""


class MemberTable:
    """The units of an archive, and its members by name and by inode."""

    def __init__(self, units: list[Unit]) -> None:
        self.units = units
        self.settled_ctimes: dict[str, int] = {}
        """Last change times of files that were too young at their snapshot and have not changed since."""

    @cached_property
    def unit_offsets(self) -> list[int]:
        """Offset of each unit in the archive."""
        return list(accumulate((unit.span.length for unit in self.units), initial=GZIP_HEADER))

    @cached_property
    def member_counts(self) -> list[int]:
        """Number of members of each unit."""
        return [len(unit.members) for unit in self.units]

    @cached_property
    def by_name(self) -> dict[str, MemberLocation]:
        """Members by name."""
        return {location.metadata.name: location for location in self._locations()}

    def _locations(self) -> Iterator[MemberLocation]:
        for number, unit in enumerate(self.units):
            start = 0
            is_large = isinstance(unit, LargeUnit)
            for metadata in unit.members:
                yield MemberLocation(metadata, number, start, metadata.header + metadata.length, is_large)
                start += metadata.header + padded_size(metadata.length)

    def finished_checksums(self, location: MemberLocation) -> list[int]:
        """Return the CRC-32 of each finished piece of a member."""
        unit = self.units[location.unit]
        return [span.crc for span in unit.chunk_spans()] if isinstance(unit, LargeUnit) else []

    def inherit_settled_times(self, previous: MemberTable) -> None:
        """Take over the settled times of the files that are still in the archive."""
        self.settled_ctimes = {
            name: time for name, time in previous.settled_ctimes.items() if name in self.by_name
        }

    def forget(self, name: str) -> None:
        """Remove a member, so that the next cycle archives its file again."""
        location = self.by_name.pop(name)
        self.by_inode.pop((location.metadata.device, location.metadata.inode), None)

    @cached_property
    def by_inode(self) -> dict[tuple[int, int], MemberLocation]:
        """Members by device and inode: the file may have been renamed since."""
        return {
            (location.metadata.device, location.metadata.inode): location
            for location in self.by_name.values()
        }
