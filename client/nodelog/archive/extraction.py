"""Extraction of members as files below one directory, and nowhere else.

An archive may come from anyone. tarfile's data filter checks paths and modes; symbolic links and devices,
which have been used to circumvent it, are left out altogether: a log archive has none. A hard link becomes a
link to a file that was extracted just before, or else a file with the content of that member.
"""

from __future__ import annotations

import errno
import os
import shutil
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
    done: dict[str, os.stat_result] = {}
    for member in archive.members(names):
        yield member if isinstance(member, DamagedPart) else _extract_member(member, directory, done)


def _extract_member(
    member: ArchiveMember, directory: Path, done: dict[str, os.stat_result]
) -> Extracted | LeftOut | DamagedPart:
    if kind := _SKIPPED_TYPES.get(member.info.type):
        return LeftOut(member.name, f"it is {kind}")
    try:
        size = _write(member, directory, done)
    except DamageError as error:
        return DamagedPart(member.name, f"{error}; what comes before it is extracted")
    except tarfile.FilterError:
        return LeftOut(member.name, f"it would lie outside of {directory}")
    except tarfile.TarError as error:
        return DamagedPart(member.name, str(error))
    except OSError as error:
        return LeftOut(member.name, error.strerror or str(error))
    return Extracted(member.name, size)


def _write(member: ArchiveMember, directory: Path, done: dict[str, os.stat_result]) -> int:
    """Write a member; return its size. `done` has the files that were extracted, by their names."""
    if member.info.islnk():
        return _write_link(member, directory, done)
    info = tarfile.data_filter(member.info, str(directory))
    target = directory / info.name
    if info.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return info.size
    if target.is_symlink():
        raise FileExistsError(errno.EEXIST, "there is a symbolic link with its name")
    target.unlink(missing_ok=True)  # it may be read by someone, or be read-only
    member.tar.extract(info, directory, filter="data")
    done[member.name] = target.lstat()
    return info.size


def _write_link(member: ArchiveMember, directory: Path, done: dict[str, os.stat_result]) -> int:
    """Link to a file that was extracted before, or copy its content if it was not."""
    info = tarfile.data_filter(member.info, str(directory))
    target, source = directory / info.name, directory / info.linkname
    if target.is_symlink():
        raise FileExistsError(errno.EEXIST, "there is a symbolic link with its name")
    expected = done.get(info.linkname)
    if expected is not None and os.path.samestat(source.lstat(), expected):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target != source:
            target.unlink(missing_ok=True)
            os.link(source, target, follow_symlinks=False)
        return expected.st_size
    content = member.open_content()
    if content is None:
        raise FileNotFoundError(errno.ENOENT, f"it is a hard link to {info.linkname}, which is not there")
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        shutil.copyfileobj(content, file)
        size = file.tell()
    target.chmod((member.info.mode & 0o755) | 0o600)
    return size
