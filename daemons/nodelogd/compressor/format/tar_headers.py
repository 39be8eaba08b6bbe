"""The parts of a tar stream besides the contents: headers in GNU format, and the end."""

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
"""Bytes; tar pads a stream to a multiple of it."""


def tar_header(metadata: FileMetadata) -> bytes:
    """Return a member's header, in the format in which GNU tar and busybox read long names and 9 GiB."""
    info = tarfile.TarInfo(metadata.name)
    info.size = metadata.length
    info.mode = metadata.mode
    info.uid, info.gid = metadata.uid, metadata.gid
    info.uname, info.gname = user_name(metadata.uid), group_name(metadata.gid)
    info.mtime = metadata.mtime_ns // 10**9
    if metadata.link:
        info.type, info.linkname = tarfile.LNKTYPE, metadata.link
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def header_size(name: bytes) -> int:
    """Return the length of a file's header: a name of over 100 bytes needs extra blocks."""
    if len(name) <= tarfile.LENGTH_NAME:
        return BLOCK
    return BLOCK - (-(len(name) + 1) // BLOCK) * BLOCK + BLOCK


def tar_end(size: int) -> bytes:
    """Return the end of a tar stream of `size` bytes."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD)


@lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    """Return the name of a user, empty if there is none; cached."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@lru_cache(maxsize=256)
def group_name(gid: int) -> str:
    """Return the name of a group, empty if there is none; cached."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""
