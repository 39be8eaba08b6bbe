"""Files of a spool in a folder that others may write to: only one of our own is opened.

It is a regular file with one name that belongs to us, and no link is followed to it. A link at a spool's name
would let whoever made it choose which of our files is written; another user's spool would be sent as ours.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from nodelog.spool.blocks import SpoolError

if TYPE_CHECKING:
    from pathlib import Path


def open_own(path: Path, flags: int) -> int:
    """Open our file, or create it if the flags say so, and return its descriptor.

    Raises SpoolError if it is not ours, OSError.
    """
    if path.is_symlink():
        raise SpoolError(f"{path} is a symbolic link and is not followed; choose another spool")
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if why := _why_foreign(os.fstat(fd)):
        os.close(fd)
        raise SpoolError(f"{path} {why}; choose another spool")
    return fd


def _why_foreign(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names"
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}, not to {os.geteuid()}"
    return ""
