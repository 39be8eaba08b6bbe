"""Which files a cycle archives: a walk that lists, and an open that trusts nothing the walk has seen.

Between the two anybody who may write in the directory can put something else in a file's place. So what was
opened is looked at again: it has to be a regular file, and to lie beneath the directory, whatever names led
to it.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.compressor.scan.glob_patterns import Left, parse

if TYPE_CHECKING:
    from collections.abc import Callable

FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would hold up an open that blocks
GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # meanwhile, or a link to nothing


class Found(NamedTuple):
    """A file to archive: its name there, where it is, and what it was when it was found."""

    name: str  # as an index has it: the absolute path without the leading slash
    path: bytes  # absolute
    status: os.stat_result  # of the file itself, also behind a link that is followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What to look for: patterns as `globs` has them, relative to a directory."""

    directory: bytes  # absolute
    include: tuple[str, ...] = ("*.log",)
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    out: bytes = b""  # a directory in which `is_own` is asked
    is_own: Callable[[str], bool] = field(default=lambda _: False)  # names that are never archived


def member_name(name: bytes) -> str:
    """Give a name as an index has it."""
    return name.decode("utf-8", "surrogateescape")


def find(where: Where, unlisted: Callable[[bytes, OSError], None]) -> list[Found]:
    """List the files, sorted by name. Raises OSError if the directory itself cannot be listed.

    `unlisted` hears of each file and folder in it of which nothing can be known.
    """
    walk = _Walk(where, unlisted)
    walk.folder(
        where.directory, Left(map(parse, where.include)), Left(map(parse, where.exclude), hidden=True), ()
    )
    walk.folders()
    walk.found.sort(key=itemgetter(0))
    return walk.found


def opened(found: Found, where: Where) -> int:
    """Open a file for reading; the caller closes it.

    Raises OSError if it is gone, cannot be read, is no regular file any more, or lies outside the directory.
    """
    fd = os.open(found.path, FLAGS if where.follow_links else FLAGS | os.O_NOFOLLOW)
    try:
        _check(fd, found, where)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(fd: int, found: Found, where: Where) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file any more", found.path)
    if not _beneath(os.readlink(b"/proc/self/fd/%d" % fd), where.directory):
        raise OSError(errno.EXDEV, "it lies outside the directory", found.path)


def _beneath(path: bytes, directory: bytes) -> bool:
    return path.startswith(os.path.join(os.path.realpath(directory), b""))


class _Folder(NamedTuple):
    """One that is to be listed, what in it, and those above it."""

    path: bytes
    left: Left
    without: Left
    above: tuple[os.stat_result, ...]


class _Walk:
    """One walk through the folders that can hold a match."""

    def __init__(self, where: Where, unlisted: Callable[[bytes, OSError], None]) -> None:
        self.found: list[Found] = []
        self._where = where
        self._links = where.follow_links
        self._unlisted = unlisted
        self._out = os.stat(where.out) if where.out else None
        self._waiting: list[_Folder] = []

    def folders(self) -> None:
        """List those in it, and so on; no stack of calls is as deep as folders can be."""
        while self._waiting:
            folder = self._waiting.pop()
            try:
                self.folder(*folder)
            except OSError as error:
                self._miss(folder.path, error)

    def folder(self, path: bytes, left: Left, without: Left, above: tuple[os.stat_result, ...]) -> None:
        """List a folder; `above` it are these."""
        status = os.stat(path)
        if any(os.path.samestat(status, each) for each in above):  # a link that leads back up
            return
        holds_own = self._out is not None and os.path.samestat(status, self._out)
        start = member_name(os.path.join(path, b"").lstrip(b"/"))
        with os.scandir(path) as entries:
            for entry in entries:
                name = member_name(entry.name)
                if without.matches(name) or (holds_own and self._where.is_own(name)):
                    continue
                try:
                    if entry.is_file(follow_symlinks=self._links):
                        if left.matches(name):
                            self._file(entry, start + name)
                    elif entry.is_dir(follow_symlinks=self._links) and (here := left.within(name)):
                        self._within(entry, here, without.within(name), (*above, status))
                except OSError as error:
                    self._miss(entry.path, error)

    def _within(
        self, entry: os.DirEntry[bytes], left: Left, without: Left, above: tuple[os.stat_result, ...]
    ) -> None:
        if not self._leads_out(entry):
            self._waiting.append(_Folder(entry.path, left, without, above))

    def _file(self, entry: os.DirEntry[bytes], name: str) -> None:
        if not self._leads_out(entry):
            self.found.append(Found(name, entry.path, entry.stat(follow_symlinks=self._links)))

    def _leads_out(self, entry: os.DirEntry[bytes]) -> bool:
        return (
            self._links
            and entry.is_symlink()
            and not _beneath(os.path.realpath(entry.path), self._where.directory)
        )

    def _miss(self, path: bytes, error: OSError) -> None:
        if error.errno not in GONE:
            self._unlisted(path, error)
