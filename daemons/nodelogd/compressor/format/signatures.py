"""What `lstat` says of a file, packed into a row of bytes: a unit is compared with its files at once.

A row is evidence that a file has not changed, not proof. Rows that must not be taken for it never equal that
of a file: they contain a change time of 0, or an impossible size.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import os

    from nodelog.archive.index import FileMetadata

_ROW: Final = struct.Struct("<QQqqq")
ROW: Final = _ROW.size
"""Bytes of a row."""
_SIZE_OFFSET: Final = 16
_CTIME_OFFSET: Final = 32
_SIZE: Final = struct.Struct("<q")
_INCOMPLETE: Final = -1
_LINK: Final = -2
EDITED_ROW: Final = b"\xff" * ROW
"""The row of a file whose archived content is known to be wrong."""


class Signature(NamedTuple):
    """The fields of a row."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def file_row(status: os.stat_result) -> bytes:
    """Return the row of a file with this status."""
    return _ROW.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def link_row(device: int, inode: int, target: str) -> bytes:
    """Return the row of a hard link: it stays the same as long as it is a link to this member."""
    digest = blake2b(target.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return _ROW.pack(device, inode, _LINK, int.from_bytes(digest, "little", signed=True), 0)


def member_row(metadata: FileMetadata) -> bytes:
    """Return the row that the file of an archived member has if it has not changed."""
    if metadata.link:
        return link_row(metadata.device, metadata.inode, metadata.link)
    is_complete = metadata.length + metadata.holes == metadata.seen
    size = metadata.seen if is_complete else _INCOMPLETE
    return _ROW.pack(metadata.device, metadata.inode, size, metadata.mtime_ns, metadata.ctime_ns)


def signature(rows: bytes | bytearray, number: int) -> Signature:
    """Return the fields of a row."""
    return Signature(*_ROW.unpack_from(rows, number * ROW))


def row_size(rows: bytes | bytearray, number: int) -> int:
    """Return the size of a file by its row."""
    size: int = _SIZE.unpack_from(rows, number * ROW + _SIZE_OFFSET)[0]
    return max(size, 0)


def is_unproven(archived: bytes, found: bytes) -> bool:
    """Return whether a file seems unchanged, but the change time at its snapshot proves nothing."""
    return archived[:_CTIME_OFFSET] == found[:_CTIME_OFFSET] and not any(archived[_CTIME_OFFSET:])


def may_be_unchanged(archived: bytes, found: bytes) -> bool:
    """Return whether nothing says that a file has changed."""
    return archived == found or is_unproven(archived, found)
