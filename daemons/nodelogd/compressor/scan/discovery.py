"""Find the files that a cycle archives: a walk lists them, and opening trusts nothing the walk has seen.

Between the two, anyone who may write in the directory can replace a file by something else. So the opened
file is checked again: it must be a regular file, and it must lie beneath the directory, whatever names led
to it.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.scan.glob_patterns import FolderPatterns, parse_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a blocking open would hang on a FIFO
GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # removed meanwhile, or a dangling link


class LogFile(NamedTuple):
    """A file to archive: its member name, its path, and its status when it was found."""

    name: str  # as in the index: the absolute path without the leading slash
    path: bytes  # absolute
    status: os.stat_result  # of the file itself, also behind a link that is followed


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """What to look for: patterns as in `glob_patterns`, relative to a directory."""

    directory: bytes  # absolute
    include: tuple[str, ...] = ("*.log",)
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    own_folders: tuple[bytes, ...] = ()  # the directories in which `is_own` is called
    is_own: Callable[[str], bool] = field(default=lambda _: False)  # names that are never archived


def member_name(name: bytes) -> str:
    """Decode a name as it appears in the index."""
    return name.decode("utf-8", "surrogateescape")


def find_log_files(settings: ScanSettings, on_error: Callable[[bytes, OSError], None]) -> list[LogFile]:
    """List the files, sorted by name. Raises OSError if the directory itself cannot be listed.

    `on_error` is called for each file and folder in it that cannot be examined.
    """
    walk = _Walk(settings, on_error)
    walk.list_folder(
        settings.directory,
        FolderPatterns(map(parse_pattern, settings.include)),
        FolderPatterns(map(parse_pattern, settings.exclude), hidden=True),
        (),
    )
    walk.list_subfolders()
    walk.files.sort(key=itemgetter(0))
    return walk.files


def open_log_file(file: LogFile, settings: ScanSettings) -> int:
    """Open a file for reading and return its descriptor, which the caller closes.

    Raises OSError if it is gone, cannot be read, is no longer a regular file, or lies outside the directory.
    """
    fd = os.open(file.path, FLAGS if settings.follow_links else FLAGS | os.O_NOFOLLOW)
    try:
        _check(fd, file, settings)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(fd: int, file: LogFile, settings: ScanSettings) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file any more", file.path)
    if not _is_beneath(_path_of(fd, file), settings.directory):
        raise OSError(errno.EXDEV, "it lies outside the directory", file.path)


def _path_of(fd: int, file: LogFile) -> bytes:
    try:
        return os.readlink(b"/proc/self/fd/%d" % fd)
    except FileNotFoundError:
        text = "/proc is not mounted, so nothing shows whether it lies in the directory"
        raise OSError(errno.ENOTSUP, text, file.path) from None


def _is_beneath(path: bytes, directory: bytes) -> bool:
    return path.startswith(os.path.join(os.path.realpath(directory), b""))


class _Folder(NamedTuple):
    """A folder to list, the patterns that apply in it, and the folders above it."""

    path: bytes
    include: FolderPatterns
    exclude: FolderPatterns
    above: tuple[os.stat_result, ...]


class _Walk:
    """A walk through the folders that can contain a match."""

    def __init__(self, settings: ScanSettings, on_error: Callable[[bytes, OSError], None]) -> None:
        self.files: list[LogFile] = []
        self._settings = settings
        self._links = settings.follow_links
        self._on_error = on_error
        self._own_folders = [os.stat(folder) for folder in settings.own_folders]
        self._waiting: list[_Folder] = []

    def list_subfolders(self) -> None:
        """List all folders below, iteratively: folders can be nested deeper than the call stack."""
        while self._waiting:
            folder = self._waiting.pop()
            try:
                self.list_folder(*folder)
            except OSError as error:
                self._report(folder.path, error)

    def list_folder(
        self,
        path: bytes,
        include: FolderPatterns,
        exclude: FolderPatterns,
        above: tuple[os.stat_result, ...],
    ) -> None:
        """List the folder `path`, which lies in the folders `above`."""
        status = os.stat(path)
        if any(os.path.samestat(status, each) for each in above):  # a link that leads back up
            return
        holds_own = any(os.path.samestat(status, folder) for folder in self._own_folders)
        start = member_name(os.path.join(path, b"").lstrip(b"/"))
        with os.scandir(path) as entries:
            for entry in entries:
                name = member_name(entry.name)
                if exclude.matches(name) or (holds_own and self._settings.is_own(name)):
                    continue
                try:
                    if entry.is_file(follow_symlinks=self._links):
                        if include.matches(name):
                            self._add_file(entry, start + name)
                    elif entry.is_dir(follow_symlinks=self._links) and (inner := include.descend(name)):
                        self._add_folder(entry, inner, exclude.descend(name), (*above, status))
                except OSError as error:
                    self._report(entry.path, error)

    def _add_folder(
        self,
        entry: os.DirEntry[bytes],
        include: FolderPatterns,
        exclude: FolderPatterns,
        above: tuple[os.stat_result, ...],
    ) -> None:
        if not self._leads_out(entry):
            self._waiting.append(_Folder(entry.path, include, exclude, above))

    def _add_file(self, entry: os.DirEntry[bytes], name: str) -> None:
        if not self._leads_out(entry):
            self.files.append(LogFile(name, entry.path, entry.stat(follow_symlinks=self._links)))

    def _leads_out(self, entry: os.DirEntry[bytes]) -> bool:
        return (
            self._links
            and entry.is_symlink()
            and not _is_beneath(os.path.realpath(entry.path), self._settings.directory)
        )

    def _report(self, path: bytes, error: OSError) -> None:
        if error.errno not in GONE:
            self._on_error(path, error)
