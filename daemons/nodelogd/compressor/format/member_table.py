"""What the last archive holds: read from its index once, and kept from cycle to cycle."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from nodelog.archive.index import GZIP_HEADER, padded_size
from nodelogd.compressor.format.units import Large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.units import Unit


class Place(NamedTuple):
    """A member and where it is."""

    details: FileMetadata
    unit: int
    start: int
    """Of its header in the tar stream of the unit."""
    size: int
    """Bytes of header and content."""
    is_large: bool
    """It has the unit to itself."""


class Contents:
    """The units of an archive, and its members by name and by file."""

    def __init__(self, units: list[Unit]) -> None:
        self.units = units
        self.settled: dict[str, int] = {}
        """Times of the last change of files that were too young at their snapshot, and have not changed."""

    @cached_property
    def starts(self) -> list[int]:
        """Where in the archive the units begin."""
        return list(accumulate((unit.span.length for unit in self.units), initial=GZIP_HEADER))

    @cached_property
    def sizes(self) -> list[int]:
        """How many members they have."""
        return [len(unit.members) for unit in self.units]

    @cached_property
    def names(self) -> dict[str, Place]:
        """Find a member by its name."""
        return {place.details.name: place for place in self._places()}

    def _places(self) -> Iterator[Place]:
        for number, unit in enumerate(self.units):
            start = 0
            is_large = isinstance(unit, Large)
            for each in unit.members:
                yield Place(each, number, start, each.header + each.length, is_large)
                start += each.header + padded_size(each.length)

    def go_on_from(self, last: Contents) -> None:
        """Know what was known of files that are still here."""
        self.settled = {name: time for name, time in last.settled.items() if name in self.names}

    def forget(self, name: str) -> None:
        """Have a file archived anew."""
        place = self.names.pop(name)
        self.inodes.pop((place.details.device, place.details.inode), None)

    @cached_property
    def inodes(self) -> dict[tuple[int, int], Place]:
        """Find a member by its file, which may have another name by now."""
        return {(each.details.device, each.details.inode): each for each in self.names.values()}
