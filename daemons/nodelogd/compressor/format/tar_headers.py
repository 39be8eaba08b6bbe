"""The parts of a tar stream besides the contents: headers in GNU format, and the end."""

from __future__ import annotations

import grp
import pwd
import tarfile
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nodelog.archive.index import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nodelog.archive.index import FileMetadata

# A header of a sparse file: where its entries are, how many fit into it and into each block that follows.
_CHECKSUM: Final = slice(148, 156)
_SPARSE: Final = 386
_EXTENDED: Final = 482
_REAL_SIZE: Final = 483
_NUMBER: Final = 12
_FIRST: Final = 4
_NEXT: Final = 21
RECORD: Final = 20 * BLOCK
"""Bytes; tar pads a stream to a multiple of it."""


def tar_header(metadata: FileMetadata) -> bytes:
    """Return a member's header, in the format in which GNU tar and busybox read long names and 9 GiB."""
    return _info(metadata).tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _info(metadata: FileMetadata) -> tarfile.TarInfo:
    info = tarfile.TarInfo(metadata.name)
    info.size = metadata.length
    info.mode = metadata.mode
    info.uid, info.gid = metadata.uid, metadata.gid
    info.uname, info.gname = user_name(metadata.uid), group_name(metadata.gid)
    info.mtime = metadata.mtime_ns // 10**9
    if metadata.link:
        info.type, info.linkname = tarfile.LNKTYPE, metadata.link
    return info


def sparse_header(metadata: FileMetadata, extents: Sequence[tuple[int, int]]) -> bytes:
    """Return the header of a file without its holes, as GNU tar writes it; `extents`: offset, length."""
    info = _info(metadata)
    info.type = tarfile.GNUTYPE_SPARSE
    data = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    header = bytearray(data[-BLOCK:])
    entries = [_number(offset) + _number(length) for offset, length in extents]
    first, rest = b"".join(entries[:_FIRST]), entries[_FIRST:]
    header[_SPARSE : _SPARSE + len(first)] = first
    header[_EXTENDED] = bool(rest)
    header[_REAL_SIZE : _REAL_SIZE + _NUMBER] = _number(metadata.length + metadata.holes)
    header[_CHECKSUM] = b" " * 8
    header[_CHECKSUM] = b"%06o\0 " % sum(header)
    blocks = [data[:-BLOCK], bytes(header)]
    while rest:
        part, rest = b"".join(rest[:_NEXT]), rest[_NEXT:]
        blocks.append(part.ljust(_NEXT * 2 * _NUMBER, b"\0") + bytes([bool(rest)]).ljust(8, b"\0"))
    return b"".join(blocks)


def _number(value: int) -> bytes:
    """Return twelve bytes: octal digits, or the number itself if it is too large for them."""
    if value < 8 ** (_NUMBER - 1):
        return b"%011o\0" % value
    return b"\x80" + value.to_bytes(_NUMBER - 1, "big")


def header_size(name: bytes, extents: Sequence[object] = ()) -> int:
    """Return the length of a file's header: a name of over 100 bytes and extents need more blocks."""
    long = 0 if len(name) <= tarfile.LENGTH_NAME else 1 - -(len(name) + 1) // BLOCK
    return BLOCK * (1 + long - -max(0, len(extents) - _FIRST) // _NEXT)


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
