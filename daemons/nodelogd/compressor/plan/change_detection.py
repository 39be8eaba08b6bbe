"""What the times and lengths of files say: which of them are as they were archived."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from nodelog.archive.index import padded_size
from nodelogd.compressor.format.tar_headers import header_size
from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.plan.planning import LARGE, Item
from nodelogd.compressor.plan.snapshots import is_continued, is_unchanged, settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.format.member_table import Contents, Place
    from nodelogd.compressor.scan.discovery import Found
    from nodelogd.compressor.scan.file_access import Outside
    from nodelogd.compressor.scan.log_reader import Log


def items(found: Sequence[Found], last: Contents, outside: Outside) -> Iterator[Item]:
    """Look at each file, and into those that may have changed unseen.

    A new one is opened, too: one that cannot be is no change, or it would have the archive made each cycle.
    """
    names = last.names
    for number, each in enumerate(found):
        place = names.get(each.name)
        if place is not None and _is_unchanged(each, place, last, outside):
            yield Item(number, place.size, place.unit, place.is_large, is_unchanged=True)
        elif place is not None or outside.can_open(each):
            size = each.status.st_size
            is_large = size >= LARGE
            unit = None if place is None or place.is_large else place.unit
            yield Item(
                number,
                header_size(each.name) + padded_size(size),
                None if is_large else unit,
                is_large,
                is_unchanged=False,
            )


def _is_unchanged(found: Found, place: Place, last: Contents, outside: Outside) -> bool:
    details = place.details
    if details.ctime_ns:
        return is_unchanged(details, found.status, details.ctime_ns)
    if (known := last.settled.get(details.name)) is not None:
        return is_unchanged(details, found.status, known)
    return is_unchanged(details, found.status, found.status.st_ctime_ns) and _is_verified(
        found, details, last, outside
    )


def _is_verified(found: Found, details: FileMetadata, last: Contents, outside: Outside) -> bool:
    """Look into a file that was so young at its snapshot that its times say nothing."""

    def look(log: Log) -> bool:
        status = log.status
        if not (
            is_unchanged(details, status, status.st_ctime_ns)
            and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            == (details.mode, details.uid, details.gid)
            and is_continued(details, status, log.read)
        ):
            return False
        if time := settled(status, log.now_ns):
            last.settled[details.name] = time
        return True

    return outside.peek(found, memoryview(bytearray(CHUNK)), look)
