"""Tar headers as GNU tar writes them, where Python's tarfile reads them otherwise.

An incremental archive of GNU tar (`--listed-incremental`) has the times of access and change where POSIX has
the first part of a long name, and directories of a type of their own. tarfile puts the former in front of
every name, and takes the latter for files.
"""

from __future__ import annotations

import tarfile
from typing import Final

from nodelog.archive.bounded_header import BoundedTarInfo

_GNU_MAGIC: Final = b"ustar  \0"
_MAGIC: Final = slice(257, 265)
_PREFIX: Final = slice(345, 500)
DIRECTORY_WITH_NAMES: Final = b"D"
"""The type of a directory in an incremental archive; its content is a list of names."""


class GnuTarInfo(BoundedTarInfo):
    """A header of any format, with the name that GNU tar gives it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> GnuTarInfo:
        """Return the header in a block of 512 bytes. Raises HeaderError."""
        info = super().frombuf(buf, encoding, errors)
        if buf[_MAGIC] == _GNU_MAGIC:
            prefix = bytes(buf[_PREFIX]).split(b"\0", 1)[0].decode(encoding, errors)
            if prefix and info.type not in tarfile.GNU_TYPES:
                info.name = info.name.removeprefix(f"{prefix}/")
        return info

    def isdir(self) -> bool:
        """Return whether it is a directory."""
        return super().isdir() or self.type == DIRECTORY_WITH_NAMES
