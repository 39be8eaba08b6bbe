"""File operations of the store, each completed or without effect, and what it reads from the system."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.collector.store.permissions import DEFAULT_MODE, Permissions
from nodelogd.service.files.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def copy_tail(fd: int, start: int, target: Path) -> None:
    """Copy everything from offset `start` on to `target`, durably."""
    with publish_atomically(target, mode=DEFAULT_MODE) as copy:
        Permissions.of(fd).apply(copy.fileno())
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


def file_size_limit() -> int:
    """Return the largest size of a file that this process may write (`ulimit -f`), bytes."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def boot_id() -> bytes:
    """Return the id of this boot, 16 bytes; zeros if the kernel does not provide one."""
    with suppress(OSError, ValueError), open(BOOT_ID) as file:  # noqa: PTH123 (one read, at start)
        return bytes.fromhex(file.read().strip().replace("-", ""))
    return bytes(16)
