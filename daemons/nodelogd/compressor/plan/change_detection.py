"""Detect which files are still as they were archived, unit by unit."""

from __future__ import annotations

import stat
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import padded_size
from nodelogd.compressor.format.signatures import ROW, is_unproven, member_row
from nodelogd.compressor.format.tar_headers import header_size
from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.plan.finished_pieces import finished_pieces_match
from nodelogd.compressor.plan.planning import LARGE, Run
from nodelogd.compressor.plan.snapshots import (
    ends_in_zeros,
    is_continued,
    is_unchanged,
    settled_ctime,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.member_table import MemberTable
    from nodelogd.compressor.scan.file_access import FileAccess
    from nodelogd.compressor.scan.listing import Listing
    from nodelogd.compressor.scan.log_reader import LogReader

_CHANGED: Final = 0
_UNCHANGED: Final = 1
_SKIPPED: Final = 2


class Changes:
    """What has changed since the previous archive: compare once, by `find_runs`."""

    def __init__(self, listing: Listing, previous: MemberTable, access: FileAccess) -> None:
        """Compare these files with the previous archive."""
        self.listing = listing
        self._previous = previous
        self._access = access
        self._verdicts = bytearray(len(listing))
        self._is_any = False
        self._buffer = memoryview(bytearray(CHUNK))

    @property
    def count(self) -> int:
        """Files that are new or have changed."""
        return self._verdicts.count(_CHANGED)

    @property
    def files(self) -> int:
        """Files that are to be archived."""
        return len(self._verdicts) - self._verdicts.count(_SKIPPED)

    def is_unchanged(self, position: int) -> bool:
        """Return whether a file is still as it was archived."""
        return self._verdicts[position] == _UNCHANGED

    def is_skipped(self, position: int) -> bool:
        """Return whether a new file cannot be opened."""
        return self._verdicts[position] == _SKIPPED

    def skipped(self) -> set[int]:
        """Return the positions of new files that cannot be opened."""
        return {position for position, verdict in enumerate(self._verdicts) if verdict == _SKIPPED}

    def item_size(self, position: int) -> int:
        """Return the bytes of header and content that a file takes, about."""
        return header_size(self.listing.names[position]) + padded_size(self.listing.size(position))

    def find_runs(self) -> Iterator[Run]:
        """Compare each unit with the files that are listed in its place.

        Files that may have changed without a trace are read. New files are opened, as long as nothing else
        has changed: one that cannot be opened is no change; otherwise every cycle would write a new archive
        because of it.
        """
        names, rows, at = self.listing.names, self.listing.rows, 0
        for number, unit in enumerate(self._previous.units):
            stop = at + unit.count
            if unit.matches(names[at:stop], rows[at * ROW : stop * ROW]):
                self._verdicts[at:stop] = bytes((_UNCHANGED,)) * unit.count
                yield Run(at, stop, unit.span.size, unit.is_large, number)
            else:
                stop = bisect_right(names, unit.last_name, at)
                yield from self._compare(at, stop, number)
            at = stop
        yield from self._new_runs(at, len(names))

    def _compare(self, start: int, stop: int, number: int) -> Iterator[Run]:
        """Compare the files in the place of a unit one by one."""
        unit, contents = self._previous.units[number], self._previous.contents(number)
        known = 0
        for position in range(start, stop):
            self._access.check_stop()
            name = self.listing.file(position).name
            found = contents.positions.get(name)
            if found is None:
                self._judge_new(position)
                continue
            known += 1
            is_same = self._is_unchanged(position, number, found[0], contents.members[found[0]])
            self._verdicts[position] = _UNCHANGED if is_same else _CHANGED
            self._is_any |= not is_same
        verdicts = self._verdicts[start:stop]
        if verdicts.count(_UNCHANGED) == unit.count and not verdicts.count(_CHANGED):
            yield Run(start, stop, unit.span.size, unit.is_large, number)
        else:
            self._is_any |= known < unit.count
            yield from self._runs(start, stop, number if unit.is_large else None)

    def _judge_new(self, position: int) -> None:
        target = self.listing.links.get(position)
        is_link = target is not None and not self.is_skipped(target)
        if self._is_any or is_link or self._access.can_open(self.listing.file(position)):
            self._is_any = True
        else:
            self._verdicts[position] = _SKIPPED

    def _new_runs(self, start: int, stop: int) -> Iterator[Run]:
        for position in range(start, stop):
            self._judge_new(position)
        yield from self._runs(start, stop, None)

    def _runs(self, start: int, stop: int, large: int | None) -> Iterator[Run]:
        """Yield the large files each as a run, and what is between them; `large` is the unit of one."""
        at, size, count = start, 0, 0
        for position in range(start, stop):
            if self.is_skipped(position):
                continue
            is_kept = large is not None and self.is_unchanged(position)
            if is_kept or self.listing.size(position) >= LARGE:
                if count:
                    yield Run(at, position, size)
                unit = large if is_kept else None
                yield Run(position, position + 1, self.item_size(position), is_large=True, unit=unit)
                at, size, count = position + 1, 0, 0
            else:
                size, count = size + self.item_size(position), count + 1
        if count:
            yield Run(at, stop, size)

    def _is_unchanged(self, position: int, unit: int, number: int, metadata: FileMetadata) -> bool:
        archived = self._previous.units[unit].rows[number * ROW : (number + 1) * ROW]
        found = self.listing.row(position)
        return archived == found or (
            is_unproven(archived, found)
            and not metadata.link
            and self._verify(position, unit, number, metadata)
        )

    def _verify(self, position: int, unit: int, number: int, metadata: FileMetadata) -> bool:
        """Read a file whose times prove nothing: it was too young at its snapshot, or is filled in place."""
        checksums = self._previous.finished_checksums(unit)
        whole = metadata._replace(length=metadata.length + metadata.holes)

        def verify(log: LogReader) -> bool:
            status = log.status
            if not (
                is_unchanged(whole, status, status.st_ctime_ns)
                and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
                == (metadata.mode, metadata.uid, metadata.gid)
                and is_continued(metadata, status, log.read)
                and finished_pieces_match(log, checksums, self._access.check_stop)
            ):
                return False
            is_in_place = ends_in_zeros(log, metadata.length)
            if settled_ctime(status, log.now_ns, is_in_place=is_in_place):
                self._previous.replace_row(unit, number, self.listing.row(position))
            return True

        return self._access.inspect(self.listing.file(position), self._buffer, verify)


def keeps_all(listing: Listing, previous: MemberTable, access: FileAccess) -> bool:
    """Return whether each archived file is still there with everything that was archived of it."""
    buffer = memoryview(bytearray(CHUNK))
    for number, unit in enumerate(previous.units):
        at = bisect_left(listing.names, unit.first_name)
        if unit.matches(
            listing.names[at : at + unit.count], listing.rows[at * ROW : (at + unit.count) * ROW]
        ):
            continue
        for metadata in previous.contents(number).members:
            access.check_stop()
            position = listing.find(metadata.name)
            if position is None or not _keeps(listing, position, metadata, access, buffer):
                return False
    return True


def _keeps(
    listing: Listing, position: int, metadata: FileMetadata, access: FileAccess, buffer: memoryview
) -> bool:
    if metadata.link or listing.row(position) == member_row(metadata):
        return True  # what a link had is in the member that it links to
    file = listing.file(position)
    return access.inspect(file, buffer, lambda log: is_continued(metadata, log.status, log.read))
