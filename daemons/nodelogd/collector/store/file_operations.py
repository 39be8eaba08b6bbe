"""The few file operations a store is made of, each whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.service.atomic_publish import publish_atomically

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_SIZE = 4 * 1024 * 1024  # bytes; or four times its table of streams, if that is more
MARK = 64  # bytes; more than a record without pairs takes
RETRY = 1.0  # seconds from one try of what a disk refused to the next
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class JournalFile:
    """A journal on disk, allocated ahead: a full disk does not stop it."""

    def __init__(self, path: Path, head: bytes) -> None:
        """Write a new journal that begins with `head` and put it in the place of the old one, durably."""
        self._size = max(JOURNAL_SIZE, 4 * len(head))
        with publish_atomically(path, mode=0o600) as file:
            file.write(head)
            file.flush()
            os.posix_fallocate(file.fileno(), 0, self._size)
        self._offset = len(head)
        self.fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def takes(self, record: bytes) -> bool:
        """Say whether this record still fits, and an empty one behind it, which marks the end."""
        return self._offset + len(record) + MARK <= self._size

    def append(self, record: bytes) -> None:
        """Write a record behind the last one; a call that failed is simply made again."""
        view = memoryview(record)
        at = self._offset
        while view:
            written = os.pwrite(self.fd, view, at)
            at, view = at + written, view[written:]
        self._offset = at

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.fd)


def rename_new(source: Path, target: Path) -> None:
    """Rename a file, never onto another one; raises FileExistsError instead.

    `link` and `unlink` rather than `renameat2`, which Python does not have. A crash in between leaves
    both names, and the next start sees by the inode that they are one file.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        # A file system without hard links. The lock makes us the only one who gives out such names.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
    else:
        source.unlink()


def copy_tail(fd: int, start: int, target: Path) -> None:
    """Keep all that a file holds from `start` on in `target`, durably."""
    with publish_atomically(target, mode=0o640) as copy:
        while piece := os.pread(fd, 1024 * 1024, start):
            copy.write(piece)
            start += len(piece)


def end_of_last_line(fd: int, length: int) -> int:
    """Give the offset behind the last LF of the first `length` bytes."""
    while length:
        start = max(0, length - 64 * 1024)
        found = os.pread(fd, length - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        length = start
    return 0


def boot_id() -> bytes:
    """Name this run of the kernel; zeros where it does not say."""
    with suppress(OSError, ValueError), open(BOOT_ID) as file:  # noqa: PTH123 (one read, at start)
        return bytes.fromhex(file.read().strip().replace("-", ""))
    return bytes(16)


def is_temporary(error: OSError) -> bool:
    """Say whether a start that failed may succeed later without an operator."""
    return error.errno not in {
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
        errno.ENAMETOOLONG, errno.EINVAL,
    }  # fmt: skip
