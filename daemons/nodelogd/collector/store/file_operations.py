"""File operations of the store, each completed or without effect, and what it reads from the system."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.service.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def rename_without_replacing(source: Path, target: Path) -> None:
    """Rename a file, never onto another one. Raises FileExistsError if `target` exists.

    This uses `link` and `unlink` because Python does not have `renameat2`. A crash in between leaves both
    names, and the next start sees by the inode that they are one file.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        # A file system without hard links. We hold the lock, so nobody else creates such names.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
    else:
        source.unlink()


def copy_tail(fd: int, start: int, target: Path) -> None:
    """Copy everything from offset `start` on to `target`, durably."""
    with publish_atomically(target, mode=0o640) as copy:
        while piece := os.pread(fd, 1024 * 1024, start):
            copy.write(piece)
            start += len(piece)


def end_of_last_line(fd: int, length: int) -> int:
    """Return the offset just after the last LF of the first `length` bytes, or 0."""
    while length:
        start = max(0, length - 64 * 1024)
        found = os.pread(fd, length - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        length = start
    return 0


def boot_id() -> bytes:
    """Return the id of this boot, 16 bytes; zeros if the kernel does not provide one."""
    with suppress(OSError, ValueError), open(BOOT_ID) as file:  # noqa: PTH123 (one read, at start)
        return bytes.fromhex(file.read().strip().replace("-", ""))
    return bytes(16)
