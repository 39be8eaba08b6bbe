"""How much of a file goes into the archive, and whether its previous snapshot is still valid: pure rules.

A snapshot ends with a line. The bytes after its last LF are a line still being written. They wait, unless the
file has not grown since the previous cycle, or the fragment is so long that it may never end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.scan.log_reader import SMALL_READ
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.scan.log_reader import LogReader

    Read = Callable[[int, int], bytes | memoryview]
    """Returns exactly so many bytes (second argument) from an offset (first argument)."""

PROBE: Final = 4096
"""Bytes of the head, and of the end of the finished pieces, that show whether a file is still the same."""
SECOND: Final = 10**9
MAX_FRAGMENT: Final = 1024 * 1024
"""Bytes; a longer unfinished line is archived as it is."""
SETTLE_TIME: Final = 50_000_000
"""Nanoseconds within which a second change may not show in a file's times: kernels count in ticks."""
COARSE_SETTLE_TIME: Final = 2 * SECOND + SETTLE_TIME
"""The same where times are whole seconds or, on FAT, every other one."""
MAPPED_SETTLE_TIME: Final = 40 * SECOND
"""The same for a file that is filled in place, maybe through mmap: once a page was written to, no other write
to it shows before the kernel has stored it, by default within 35 s."""


def finished_length(length: int) -> int:
    """Return how many of `length` bytes of content are in finished pieces."""
    return length // CHUNK * CHUNK


class Snapshot(NamedTuple):
    """What of a file is archived now."""

    length: int
    continues: bool
    """Whether the file still begins with what was archived of it, as far as its ends show."""
    is_in_place: bool
    """Whether it may have changed anywhere: it has not grown, or its content was allocated in advance."""


def take_snapshot(log: LogReader, old: FileMetadata | None, *, waits: bool = True) -> Snapshot:
    """Return a new snapshot of `log`, which had the snapshot `old`.

    Without `waits`, an unfinished line does not wait for the next cycle.
    """
    size = log.size
    continued = None
    if old is not None and size >= old.length and is_continued(old, log.status, log.read):
        continued = old._replace(seen=old.seen - old.holes, holes=0)
    waits = waits and not log.ends_in_hole
    length = snapshot_length(size, continued, log.read) if waits else size
    is_in_place = (
        (continued is not None and continued.seen == size)
        or (old is not None and old.holes > 0)
        or log.extents is not None
        or ends_in_zeros(log, length)
    )
    return Snapshot(length, continued is not None, is_in_place)


def ends_in_zeros(log: LogReader, length: int) -> bool:
    """Return whether the archived part ends in a zero byte, as space does that was allocated in advance."""
    return length > 0 and bytes(log.read(length - 1, 1)) == b"\0"


def is_unchanged(old: FileMetadata, status: os.stat_result, ctime_ns: int) -> bool:
    """Return whether nothing has to be read: no time or length has changed, and no fragment waits.

    `ctime_ns` is the change time at the snapshot, 0 if it proves nothing.
    """
    return (
        ctime_ns == status.st_ctime_ns
        and old.seen == status.st_size
        and old.mtime_ns == status.st_mtime_ns
        and old.inode == status.st_ino
        and old.device == status.st_dev
        and old.length == old.seen
    )


def settled_ctime(status: os.stat_result, now_ns: int, *, is_in_place: bool = False) -> int:
    """Return the change time of a file as seen now, or 0 if another change might not show in it."""
    settle = COARSE_SETTLE_TIME if status.st_ctime_ns % SECOND == 0 else SETTLE_TIME
    if is_in_place:
        settle = MAPPED_SETTLE_TIME
    return status.st_ctime_ns if status.st_ctime_ns < now_ns - settle else 0


def is_continued(old: FileMetadata, status: os.stat_result, read: Read) -> bool:
    """Return whether the file begins with everything that was archived of it."""
    if status.st_size < old.length:
        return False
    end = finished_length(old.length)
    if end and crc32(read(0, PROBE)) != old.head:
        return False
    if end and crc32(read(end - PROBE, PROBE)) != old.finished:
        return False
    return crc32(read(end, old.length - end)) == old.tail


def snapshot_length(size: int, old: FileMetadata | None, read: Read) -> int:
    """Return the length of the snapshot of a file of `size` bytes that continues `old`, if that is given.

    It ends at the end of a line. What follows waits for one cycle, unless it is very long.
    """
    if old is not None and old.seen == size:
        return size
    end = _last_line_end(size, read)
    if size - end > MAX_FRAGMENT:
        return size
    if old is None or end > old.length:
        return end
    has_waited = old.seen > old.length
    return size if has_waited else old.length


def _last_line_end(size: int, read: Read) -> int:
    """Return where the last line ends, or a position more than MAX_FRAGMENT before `size`."""
    end = size
    while end and size - end <= MAX_FRAGMENT:
        start = max(0, end - SMALL_READ)
        found = bytes(read(start, end - start)).rfind(b"\n")
        end = start + found + 1
        if found >= 0:
            break
    return end
