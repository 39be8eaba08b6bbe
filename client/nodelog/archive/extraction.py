"""Extraction of members as files below one directory, and nowhere else.

An archive may come from anyone. tarfile's data filter checks paths and modes; links and devices, which have
been used to circumvent it, are left out altogether: a log archive has none.
"""

from __future__ import annotations

import errno
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelog.archive.archive_reader import Archive, ArchiveError, ArchiveMember, DamagedPart
from nodelog.archive.tar_stream import DamageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_SKIPPED_TYPES: Final = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


@dataclass(frozen=True, slots=True)
class Extracted:
    """A member that is now a file or a directory."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A member that was not extracted, although nothing is wrong with the archive."""

    name: str
    why: str


def extract(
    archive: Archive, directory: Path, names: Collection[str] | None = None
) -> Iterator[Extracted | LeftOut | DamagedPart]:
    """Extract all members, or those with these names; yield the result of each.

    Existing files are replaced. Raises ArchiveError if this Python cannot extract safely or the directory
    cannot be created, OSError if the archive cannot be read.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ArchiveError("cannot extract safely with this Python: 3.11.4 or newer is needed")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(f"cannot create the directory {directory}: {error.strerror or error}") from None
    for member in archive.members(names):
        yield member if isinstance(member, DamagedPart) else _extract_member(member, directory)


def _extract_member(member: ArchiveMember, directory: Path) -> Extracted | LeftOut | DamagedPart:
    if kind := _SKIPPED_TYPES.get(member.info.type):
        return LeftOut(member.name, f"it is {kind}")
    try:
        _write(member, directory)
    except DamageError as error:
        return DamagedPart(member.name, f"{error}; what comes before it is extracted")
    except tarfile.FilterError:
        return LeftOut(member.name, f"it would lie outside of {directory}")
    except tarfile.TarError as error:
        return DamagedPart(member.name, str(error))
    except OSError as error:
        return LeftOut(member.name, error.strerror or str(error))
    return Extracted(member.name, member.info.size)


def _write(member: ArchiveMember, directory: Path) -> None:
    info = tarfile.data_filter(member.info, str(directory))
    target = directory / info.name
    if info.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    if target.is_symlink():
        raise FileExistsError(errno.EEXIST, "there is a symbolic link with its name")
    target.unlink(missing_ok=True)  # it may be read by someone, or be read-only
    member.tar.extract(info, directory, filter="data")
