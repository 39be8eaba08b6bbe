"""The members of the previous archive: read from its index once, then kept in memory from cycle to cycle."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from nodelog.archive.index import GZIP_HEADER, padded_size
from nodelogd.compressor.format.signatures import EDITED_ROW, signature

if TYPE_CHECKING:
    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.units import Unit, UnitContents


class MemberLocation(NamedTuple):
    """A member and its position in the archive."""

    metadata: FileMetadata
    unit: int
    number: int
    """Its position among the members of the unit."""
    start: int
    """Offset of its header in the tar stream of the unit."""

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.start + self.metadata.header + padded_size(self.metadata.length)


class MemberTable:
    """The units of an archive, sorted by the names of their members."""

    def __init__(self, units: list[Unit]) -> None:
        self.units = units
        self._decoded: tuple[int, UnitContents] | None = None

    @cached_property
    def unit_offsets(self) -> list[int]:
        """Offset of each unit in the archive."""
        return list(accumulate((unit.span.length for unit in self.units), initial=GZIP_HEADER))

    @cached_property
    def _first_names(self) -> list[bytes]:
        return [unit.first_name for unit in self.units]

    @cached_property
    def _large_by_inode(self) -> dict[tuple[int, int], int]:
        """Units of large files: such a file may have been renamed since."""
        found = {}
        for number, unit in enumerate(self.units):
            if unit.is_large:
                row = signature(unit.rows, 0)
                found[row.device, row.inode] = number
        return found

    @property
    def files(self) -> int:
        """Number of members."""
        return sum(unit.count for unit in self.units)

    def contents(self, number: int) -> UnitContents:
        """Return the members and pieces of a unit; those of the last one asked for are remembered."""
        if self._decoded is None or self._decoded[0] != number:
            self._decoded = number, self.units[number].contents()
        return self._decoded[1]

    def find(self, name: str) -> MemberLocation | None:
        """Return a member by its name."""
        if self._decoded and (position := self._decoded[1].positions.get(name)):
            return MemberLocation(self._decoded[1].members[position[0]], self._decoded[0], *position)
        key = name.encode("utf-8", "surrogateescape")
        unit = bisect_right(self._first_names, key) - 1
        if unit < 0 or key > self.units[unit].last_name:
            return None
        position = self.contents(unit).positions.get(name)
        if position is None:
            return None
        return MemberLocation(self.contents(unit).members[position[0]], unit, *position)

    def find_inode(self, device: int, inode: int) -> MemberLocation | None:
        """Return the member that a large file was, by its inode."""
        unit = self._large_by_inode.get((device, inode))
        return None if unit is None else MemberLocation(self.contents(unit).members[0], unit, 0, 0)

    def finished_checksums(self, unit: int) -> list[int]:
        """Return the CRC-32 of each finished piece of a unit."""
        return [piece.crc for piece in self.contents(unit).chunks] if self.units[unit].is_large else []

    def is_edited(self, location: MemberLocation) -> bool:
        """Return whether a scrub has found that the archived content of a member is wrong."""
        start = location.number * len(EDITED_ROW)
        return self.units[location.unit].rows.startswith(EDITED_ROW, start)

    def replace_row(self, unit: int, number: int, row: bytes) -> None:
        """Remember other evidence for a member."""
        self.units[unit] = self.units[unit].with_row(number, row)

    def mark_edited(self, name: str) -> None:
        """Remember that the archived content of a member is wrong; the next cycle archives it again."""
        if (location := self.find(name)) is not None:
            self.replace_row(location.unit, location.number, EDITED_ROW)
