"""How much of a file goes into the archive, and whether its previous snapshot is still valid: pure rules.

A snapshot ends with a line. The bytes after its last LF are a line still being written. They wait, unless the
file has not grown since the previous cycle, or the fragment is so long that it may never end.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.format.units import CHUNK
from nodelogd.compressor.scan.log_reader import SMALL_READ
from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from nodelog.archive.index import FileMetadata
    from nodelogd.compressor.scan.log_reader import LogReader

    Read = Callable[[int, int], bytes | memoryview]
    """Returns exactly so many bytes (second argument) from an offset (first argument)."""

PROBE: Final = 4096
"""Bytes of the head, and of the end of the finished pieces, that show whether a file is still the same."""
MAX_FRAGMENT: Final = 1024 * 1024
"""Bytes; a longer unfinished line is archived as it is."""
SETTLE_TIME: Final = 50_000_000
"""Nanoseconds within which a second change may not show in a file's times: kernels count in ticks."""
COARSE_SETTLE_TIME: Final = 2_100_000_000
"""The same where times are whole seconds, as on ext3, or even ones, as on FAT."""
HOLE_CRC: Final = crc32(bytes(CHUNK))
"""CRC-32 of a finished piece of zeros."""
_SECOND: Final = 1_000_000_000


def finished_length(length: int) -> int:
    """Return how many of `length` bytes of content are in finished pieces."""
    return length // CHUNK * CHUNK


class Snapshot(NamedTuple):
    """How much of a file is archived, and what is known of it from the previous archive."""

    length: int
    continues: bool
    """Whether the file begins with everything that was archived of it."""
    final: int
    """Bytes from its beginning that are as they were archived; later finished pieces are compared."""
    is_in_place: bool = False
    """Whether other bytes are where there were archived ones, in a file of the same length."""


def take_snapshot(log: LogReader, old: FileMetadata | None, *, is_same_name: bool) -> Snapshot:
    """Return a new snapshot of `log`; `old` is what was archived of the same inode."""
    size = log.status.st_size
    continues = old is not None and is_continued(old, log.status, log.read)
    length = snapshot_length(size, old if continues else None, log.read)
    if old is None or (not continues and size != old.seen):
        return Snapshot(length, continues, 0)
    if not continues or is_changed_in_place(old, log.status, is_same_name=is_same_name):
        is_in_place = not continues and is_append_only(old)
        return Snapshot(length, continues, 0, is_in_place)
    return Snapshot(length, continues, finished_length(old.filled))


def is_changed_in_place(old: FileMetadata, status: os.stat_result, *, is_same_name: bool) -> bool:
    """Return whether the times of a file have changed, and its length has not: nothing was appended.

    Renaming a file changes its ctime, too; appending a line and removing it as well, but who would do that.
    """
    if status.st_size > old.seen:
        return False
    is_touched = bool(old.ctime_ns) and old.ctime_ns != status.st_ctime_ns
    return old.mtime_ns != status.st_mtime_ns or (is_same_name and is_touched)


def is_append_only(old: FileMetadata) -> bool:
    """Return whether a file has only ever been appended to, as far as we know.

    Otherwise it ends in NULs that are filled in later, or has been changed in place: then its times prove
    nothing, since a change through mmap may leave them as they are.
    """
    return old.filled >= old.length


def is_still_snapshot(old: FileMetadata, log: LogReader, chunks: Sequence[int]) -> bool:
    """Return whether a file whose times prove nothing is as it was archived; `chunks` are CRC-32s.

    At most 2 MiB are read: the tail, and the finished piece that is filled next.
    """
    status = log.status
    is_same = (
        (old.device, old.inode, old.seen, old.mtime_ns)
        == (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        and (old.mode, old.uid, old.gid) == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        and old.length == old.seen
        and is_continued(old, status, log.read)
    )
    number = old.filled // CHUNK
    if not is_same or is_append_only(old) or number >= len(chunks):
        return is_same
    return chunk_crc(log, number * CHUNK) == chunks[number]


def chunk_crc(log: LogReader, offset: int) -> int:
    """Return the CRC-32 of the finished piece at `offset`; one in a hole is not read."""
    return HOLE_CRC if log.is_hole(offset, CHUNK) else crc32(log.read(offset, CHUNK))


def settled_ctime(status: os.stat_result, now_ns: int) -> int:
    """Return the change time of a file as seen now, or 0 if another change might not show in it."""
    is_coarse = status.st_ctime_ns % _SECOND == 0
    settle_time = COARSE_SETTLE_TIME if is_coarse else SETTLE_TIME
    return status.st_ctime_ns if status.st_ctime_ns < now_ns - settle_time else 0


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
    """Return the length of the snapshot of a file of `size` bytes that continues `old`, if that is given."""
    if old is not None and old.seen == size:
        return size
    end = size
    while end and size - end <= MAX_FRAGMENT:
        start = max(0, end - SMALL_READ)
        found = bytes(read(start, end - start)).rfind(b"\n")
        end = start + found + 1
        if found >= 0:
            break
    return end if size - end <= MAX_FRAGMENT else size
