"""What a tar stream has besides the contents: headers in GNU format, and the end."""

from __future__ import annotations

import grp
import pwd
import tarfile
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import BLOCK

if TYPE_CHECKING:
    from nodelog.archive.index import FileMetadata

RECORD: Final = 20 * BLOCK
"""Bytes; tar makes a stream a multiple of it."""


def header(details: FileMetadata) -> bytes:
    """Give a member's header, in the format in which GNU tar and busybox read long names and 9 GiB."""
    info = tarfile.TarInfo(details.name)
    info.size = details.length
    info.mode = details.mode
    info.uid, info.gid = details.uid, details.gid
    info.uname, info.gname = details.user, details.group
    info.mtime = details.mtime_ns // 10**9
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def header_size(name: str) -> int:
    """Give the length of a member's header: a name of over 100 bytes comes in blocks of its own."""
    length = len(name.encode("utf-8", "surrogateescape"))
    if length <= tarfile.LENGTH_NAME:
        return BLOCK
    return BLOCK + -(-(length + 1) // BLOCK) * BLOCK + BLOCK


def ending(size: int) -> bytes:
    """Give the end of a tar stream of `size` bytes."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD)


@lru_cache(maxsize=256)
def user(uid: int) -> str:
    """Give a user's name, empty without one; looked up once."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@lru_cache(maxsize=256)
def group(gid: int) -> str:
    """Give a group's name, empty without one; looked up once."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""
