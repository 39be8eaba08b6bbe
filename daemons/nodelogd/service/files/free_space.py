"""How much of a file system is free, bytes and inodes, and which of them a full one lacks."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.service.files.atomic_publish import temporary_path
from nodelogd.service.files.disk_budget import FreeSpace

if TYPE_CHECKING:
    from pathlib import Path


FEW_INODES = 8  # fewer than this may be the reason of an error; a rotation needs three


def free_space(directory: Path) -> FreeSpace:
    """Return the space of the file system of a directory. Raises OSError."""
    status = os.statvfs(directory)
    counts_inodes = status.f_files > 0 and (status.f_favail > 0 or not _can_create_file(directory))
    return FreeSpace(
        size=status.f_blocks * status.f_frsize,
        free=status.f_bavail * status.f_frsize,
        free_inodes=status.f_favail if counts_inodes else None,
    )


def describe_error(error: OSError, directory: Path) -> str:
    """Return the error's text; on a full disk, with the number of free inodes if that may be the reason."""
    text = os.strerror(error.errno or 0)
    if error.errno == errno.ENOSPC:
        with suppress(OSError):
            status = os.statvfs(directory)
            if status.f_files and status.f_favail < FEW_INODES:  # some file systems report none at all
                return f"{text}: {status.f_favail} inodes are free"
    return text


def _can_create_file(directory: Path) -> bool:
    """Return whether a file can be created; some file systems always report that no inode is free."""
    probe = temporary_path(directory / "inode")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        return False
    with suppress(OSError):
        probe.unlink()
    return True
