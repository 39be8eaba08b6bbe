"""Who may read a log: its mode, owner, group and access list, kept from one file to the next."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

DEFAULT_MODE = 0o640  # of a new log, less the umask
ACCESS_LIST = "system.posix_acl_access"  # extended attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The permissions of a file."""

    mode: int
    owner: int
    group: int
    access_list: bytes | None

    @classmethod
    def of(cls, fd: int) -> Permissions:
        """Return the permissions of an open file. Raises OSError."""
        status = os.fstat(fd)
        access_list = None
        with suppress(OSError):  # it has none, or its file system knows none
            access_list = os.getxattr(fd, ACCESS_LIST)
        return cls(
            mode=stat.S_IMODE(status.st_mode),
            owner=status.st_uid,
            group=status.st_gid,
            access_list=access_list,
        )

    def apply(self, fd: int) -> None:
        """Give an open file these permissions, as far as the process may; nobody gains any right by it."""
        with suppress(OSError):  # needs root, and most often it is ours already
            os.fchown(fd, self.owner, -1)
        with suppress(OSError):  # needs root or a group of our own
            os.fchown(fd, -1, self.group)
        mode = self.mode
        if os.fstat(fd).st_gid != self.group:  # another group gets what everybody has
            mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
        with suppress(OSError):
            os.fchmod(fd, mode)
        if self.access_list:
            with suppress(OSError):
                os.setxattr(fd, ACCESS_LIST, self.access_list)
