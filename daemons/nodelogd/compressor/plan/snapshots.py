"""What of a file goes into the archive, and what of the last archive still stands for it: pure rules.

A snapshot ends with a line. What follows its last LF is somebody's line in the making, and waits, unless it
has not grown since the last cycle, or is so long that it may never end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nodelogd.compressor.format.units import CHUNK
from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from nodelog.archive.index import FileMetadata

    Read = Callable[[int, int], bytes | memoryview]
    """Gives so many bytes from an offset, all of them."""

PROBE: Final = 4096
"""Bytes of the head, and of the end of the finished pieces, that tell whether a file is still the same."""
FRAGMENT: Final = 1024 * 1024
"""Bytes; an unfinished line that is longer is archived as it is."""
STEP: Final = 64 * 1024
YOUNG: Final = 50_000_000
"""Nanoseconds within which a second change need not show in a file's times: kernels count in ticks."""


def finished(length: int) -> int:
    """Give the length of the finished pieces of so much content."""
    return length // CHUNK * CHUNK


def is_unchanged(old: FileMetadata, status: os.stat_result, ctime_ns: int) -> bool:
    """Say whether nothing need be read, as no time and no length has changed, and no fragment waits.

    `ctime_ns` is that of the snapshot, 0 if nothing follows from it.
    """
    return (
        ctime_ns == status.st_ctime_ns
        and old.seen == status.st_size
        and old.mtime_ns == status.st_mtime_ns
        and old.inode == status.st_ino
        and old.device == status.st_dev
        and old.length == old.seen
    )


def settled(status: os.stat_result, now_ns: int) -> int:
    """Give the time of the last change of a file that is looked at now, or 0 if it may change unseen."""
    return status.st_ctime_ns if status.st_ctime_ns < now_ns - YOUNG else 0


def is_continued(old: FileMetadata, status: os.stat_result, read: Read) -> bool:
    """Say whether the file begins with all that was archived of it."""
    if status.st_size < old.length:
        return False
    end = finished(old.length)
    if end and crc32(read(0, PROBE)) != old.head:
        return False
    if end and crc32(read(end - PROBE, PROBE)) != old.finished:
        return False
    return crc32(read(end, old.length - end)) == old.tail


def cut(size: int, old: FileMetadata | None, read: Read) -> int:
    """Give the length of the snapshot of a file of `size` bytes, of which `old` is the last one."""
    if old is not None and old.seen == size:
        return size
    end = size
    while end and size - end <= FRAGMENT:
        start = max(0, end - STEP)
        found = bytes(read(start, end - start)).rfind(b"\n")
        end = start + found + 1
        if found >= 0:
            break
    return end if size - end <= FRAGMENT else size
