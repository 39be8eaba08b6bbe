"""Members of an archive as files of a folder, and nowhere else.

An archive may come from anybody. tarfile's data filter sees to the paths and modes; links and devices, by
which others have found a way around it, are left out altogether: an archive of logs has none.
"""

from __future__ import annotations

import errno
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.archive.archive_reader import Archive, ArchiveError, Damaged, Found
from nodelog.archive.tar_stream import DamageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_KINDS: Final = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


@dataclass(frozen=True, slots=True)
class Extracted:
    """A member that is a file or a directory now."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A member that is not, although nothing is wrong with the archive."""

    name: str
    why: str


def extract(
    archive: Archive, folder: Path, names: Collection[str] | None = None
) -> Iterator[Extracted | LeftOut | Damaged]:
    """Extract all members, or those of these names; tell of each what became of it.

    Files that are there already are replaced. Raises ArchiveError where Python cannot do it safely or the
    folder cannot be made, OSError when the archive cannot be read.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ArchiveError("cannot extract safely with this Python: 3.11.4 or newer is needed")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(f"cannot make the folder {folder}: {error.strerror or error}") from None
    for found in archive.members(names):
        yield found if isinstance(found, Damaged) else _extracted(found, folder)


def _extracted(found: Found, folder: Path) -> Extracted | LeftOut | Damaged:
    if kind := _KINDS.get(found.info.type):
        return LeftOut(found.name, f"it is {kind}")
    try:
        _write(found, folder)
    except DamageError as error:
        return Damaged(found.name, f"{error}; what is in front of it is extracted")
    except tarfile.FilterError:
        return LeftOut(found.name, f"it would lie outside of {folder}")
    except tarfile.TarError as error:
        return Damaged(found.name, str(error))
    except OSError as error:
        return LeftOut(found.name, error.strerror or str(error))
    return Extracted(found.name, found.info.size)


def _write(found: Found, folder: Path) -> None:
    info = tarfile.data_filter(found.info, str(folder))
    target = folder / info.name
    if info.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    if target.is_symlink():
        raise FileExistsError(errno.EEXIST, "a symbolic link is in its place")
    target.unlink(missing_ok=True)  # somebody may be reading it, or it is not for writing
    found.tar.extract(info, folder, filter="data")
