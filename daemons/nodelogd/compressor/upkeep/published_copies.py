"""Archives in a folder of their own, and what others find of them elsewhere: a link, or a copy.

Nothing is ever read through a link or from a copy: anyone who may write to their folder can replace them.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from nodelogd.compressor.archive.output import copy_range
from nodelogd.service.files.atomic_publish import publish_atomically, sync_directory
from nodelogd.service.files.own_files import (
    ForeignFileError,
    is_own,
    make_way_for_rename,
    opened_own,
    own_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.upkeep.archive_names import ArchiveNames


class ArchiveLinks:
    """Symbolic links to the archives, in the directory of the logs."""

    def __init__(self, names: ArchiveNames, folder: Path) -> None:
        """Keep links in `folder`, which is not the directory of the archives."""
        self._names = names
        self._folder = folder

    def publish(self, archive: Path, _: Callable[[], None]) -> None:
        """Have a link lead to this archive. Raises OSError.

        An archive that an earlier version has left in its place is kept under another name.
        """
        link = self._folder / archive.name
        if _leads_to(link, archive):
            return
        if is_own(link):
            link.rename(link.with_name(f"{link.name}.earlier-{os.urandom(4).hex()}"))
        make_way_for_rename(link)
        temporary = link.with_name(f".{link.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
        temporary.symlink_to(archive)
        try:
            temporary.replace(link)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(self._folder)

    def remove(self, archive: Path) -> None:
        """Remove the link to an archive. Raises OSError."""
        link = self._folder / archive.name
        if _leads_to(link, archive):
            link.unlink(missing_ok=True)

    def list_earlier(self) -> list[Path]:
        """Return the archives that an earlier version has left where the links are now."""
        return self._names.in_folder(self._folder).list_archives()


class ArchiveCopies:
    """Copies of the archives, for readers that cannot follow a link."""

    def __init__(self, folder: Path, mode: int) -> None:
        """Keep copies with this mode in `folder`."""
        self._folder = folder
        self._mode = mode

    def publish(self, archive: Path, check_stop: Callable[[], None]) -> None:
        """Copy this archive unless its copy is up to date. Raises OSError, and what `check_stop` raises."""
        copy = self._folder / archive.name
        with opened_own(archive) as fd:
            status = os.fstat(fd)
            if _is_copy(copy, status):
                return
            make_way_for_rename(copy)
            with publish_atomically(copy, mode=self._mode) as file:
                done = 0
                while done < status.st_size:
                    check_stop()
                    count = copy_range(fd, file.fileno(), status.st_size - done, done, done)
                    if not count:
                        raise OSError(errno.EIO, "the archive is shorter than it was", str(archive))
                    done += count
                os.utime(file.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))

    def remove(self, archive: Path) -> None:
        """Remove the copy of an archive. Raises OSError."""
        copy = self._folder / archive.name
        if is_own(copy):
            copy.unlink(missing_ok=True)


def _leads_to(link: Path, archive: Path) -> bool:
    try:
        return link.readlink() == archive
    except OSError:  # nothing there, or not a link
        return False


def _is_copy(copy: Path, original: os.stat_result) -> bool:
    try:
        status = own_status(copy)
    except ForeignFileError:
        return False
    return status is not None and (status.st_size, status.st_mtime_ns) == (
        original.st_size,
        original.st_mtime_ns,
    )
