"""Find the files that a cycle archives: a walk lists them, and opening trusts nothing the walk has seen.

Between the two, anyone who may write in the directory can replace a file by something else. So the opened
file is checked again: it must be a regular file, and it must lie beneath the directory, whatever names led
to it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.format.signatures import file_row
from nodelogd.compressor.scan.beneath import has_openat2, open_beneath
from nodelogd.compressor.scan.glob_patterns import FolderPatterns, parse_pattern
from nodelogd.compressor.scan.size_limits import UNLIMITED, Found, SizeLimits, apply_limits
from nodelogd.compressor.scan.sparse_extents import SECTOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.compressor.scan.listing import Listing, LogFile

FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a blocking open would hang on a FIFO
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # removed meanwhile, or a dangling link


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """What to look for: patterns as in `glob_patterns`, relative to a directory."""

    directory: bytes  # absolute
    include: tuple[str, ...] = ("*.log",)
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    own_folders: tuple[bytes, ...] = ()  # the directories in which `is_own` is called
    is_own: Callable[[str], object] = field(default=lambda _: False)  # names that are never archived
    limits: SizeLimits = UNLIMITED


def member_name(name: bytes) -> str:
    """Decode a name as it appears in the index."""
    return name.decode("utf-8", "surrogateescape")


def find_log_files(
    settings: ScanSettings,
    on_error: Callable[[bytes, OSError], None],
    on_left_out: Callable[[bytes, str], None] = lambda _name, _why: None,
) -> Listing:
    """List the files, sorted by name. Raises OSError if the directory itself cannot be listed.

    `on_error` is called for each file and folder in it that cannot be examined, `on_left_out` for each file
    that exceeds a limit.
    """
    walk = _Walk(settings, on_error)
    walk.list_folder(
        settings.directory,
        FolderPatterns(map(parse_pattern, settings.include)),
        FolderPatterns(map(parse_pattern, settings.exclude), hidden=True),
        (),
    )
    walk.list_subfolders()
    return apply_limits(walk.found, settings.limits, on_left_out).listing()


def open_log_file(file: LogFile, settings: ScanSettings) -> int:
    """Open a file for reading and return its descriptor, which the caller closes.

    Raises OSError if it is gone, cannot be read, is no longer a regular file, or lies outside the directory,
    or if a link is on the way to it and links are not followed.
    """
    fd = _open(file.path, settings, FLAGS)
    try:
        _check(fd, file, settings)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(fd: int, file: LogFile, settings: ScanSettings) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file any more", file.path)
    if _is_checked_by_kernel(settings):
        return
    path = _path_of(fd, file)
    if not _is_beneath(path, settings.directory):
        raise OSError(errno.EXDEV, "it lies outside the directory", file.path)
    if not settings.follow_links and path != _real_path(file.path, settings.directory):
        raise OSError(errno.ENOENT, "it has another name by now", file.path)


def _open(path: bytes, settings: ScanSettings, flags: int) -> int:
    if _is_checked_by_kernel(settings):
        return open_beneath(settings.directory, path, flags)
    is_root = path == settings.directory
    return os.open(path, flags if settings.follow_links or is_root else flags | os.O_NOFOLLOW)


def _is_checked_by_kernel(settings: ScanSettings) -> bool:
    """Return whether the kernel refuses links on the way; links that are followed may be absolute."""
    return not settings.follow_links and has_openat2()


def _path_of(fd: int, file: LogFile) -> bytes:
    try:
        return os.readlink(b"/proc/self/fd/%d" % fd)
    except FileNotFoundError:
        text = "/proc is not mounted, so nothing shows whether it lies in the directory"
        raise OSError(errno.ENOTSUP, text, file.path) from None


def _real_path(path: bytes, directory: bytes) -> bytes:
    """Return a path in the directory if there is no link below the directory."""
    return os.path.join(os.path.realpath(directory), path[len(directory) :].lstrip(b"/"))


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
        self.found = Found()
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
        fd = _open(path, self._settings, FLAGS | os.O_DIRECTORY)
        try:
            status = os.fstat(fd)
            if not any(os.path.samestat(status, each) for each in above):  # else a link that leads back up
                self._list_entries(fd, _Folder(path, include, exclude, (*above, status)))
        finally:
            os.close(fd)

    def _list_entries(self, fd: int, folder: _Folder) -> None:
        """Add the files of a folder; this loop is most of what a cycle without changes costs."""
        links, matches, is_hidden = self._links, folder.include.matches, self._hidden_names(folder)
        start = os.path.join(folder.path, b"").lstrip(b"/")
        add_name, add_row = self.found.names.append, self.found.rows.append
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                try:
                    if entry.is_file(follow_symlinks=links):
                        if not matches(name) or is_hidden(name) or (links and self._leads_out(entry, folder)):
                            continue
                        status = entry.stat(follow_symlinks=links)
                        add_name(start + name.encode(_ENCODING, _ERRORS))
                        add_row(file_row(status))
                        if status.st_nlink > 1 or links or status.st_blocks * SECTOR < status.st_size:
                            self._note(status)
                    elif entry.is_dir(follow_symlinks=links) and not is_hidden(name):
                        self._add_folder(entry, folder)
                except OSError as error:
                    self._report(os.path.join(folder.path, os.fsencode(name)), error)

    def _note(self, status: os.stat_result) -> None:
        """Remember that the last file may have several names, or has holes."""
        found = self.found
        if status.st_nlink > 1 or self._links:
            found.shared.append(len(found.names) - 1)
        if status.st_blocks * SECTOR < status.st_size:
            found.allocated[found.names[-1]] = status.st_blocks * SECTOR

    def _hidden_names(self, folder: _Folder) -> Callable[[str], object]:
        """Return what tells whether a name in a folder is excluded or one of our own."""
        excluded, is_own = folder.exclude.matches, self._settings.is_own
        if not any(os.path.samestat(folder.above[-1], own) for own in self._own_folders):
            return excluded
        return (lambda name: excluded(name) or is_own(name)) if folder.exclude else is_own

    def _add_folder(self, entry: os.DirEntry[str], folder: _Folder) -> None:
        name = entry.name
        if (include := folder.include.descend(name)) and not self._leads_out(entry, folder):
            path = os.path.join(folder.path, os.fsencode(name))
            self._waiting.append(_Folder(path, include, folder.exclude.descend(name), folder.above))

    def _leads_out(self, entry: os.DirEntry[str], folder: _Folder) -> bool:
        if not self._links or not entry.is_symlink():
            return False
        path = os.path.join(folder.path, os.fsencode(entry.name))
        return not _is_beneath(os.path.realpath(path), self._settings.directory)

    def _report(self, path: bytes, error: OSError) -> None:
        if error.errno not in GONE:
            self._on_error(path, error)
