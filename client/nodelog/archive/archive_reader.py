"""An open archive: all its members in order, or one of them, with the help of its index if there is one.

    with open_archive(path) as archive:
        for member in archive.members():
            ...

Without an index, or with one that belongs to another archive, Python's tarfile reads everything from the
start. With an index each member is found at its position, and a damaged member does not hide the others.
"""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from nodelog.archive import index
from nodelog.archive.gnu_headers import GnuTarInfo
from nodelog.archive.tar_stream import ChecksumError, DamageError, GzipStream, PieceStream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from pathlib import Path

_GZIP: Final = b"\x1f\x8b"
_BUFFER: Final = 1 << 16
ARCHIVE: Final = "the archive"
"""The name of a DamagedPart if the damage cannot be attributed to a member."""
END: Final = 2 * tarfile.BLOCKSIZE
"""Zero bytes after the last member, at least."""


class ArchiveError(Exception):
    """A file cannot be read as an archive at all; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A member whose header was read."""

    tar: tarfile.TarFile
    """The TarFile that reads it."""
    info: tarfile.TarInfo
    link_target: Callable[[str], ArchiveMember | None] | None = None
    """Finds the member that a hard link is a link to, if `tar` cannot do that itself."""

    @property
    def name(self) -> str:
        """Its path, without a leading slash."""
        return self.info.name

    def open_content(self) -> IO[bytes] | None:
        """Open its content, following links; return None if it has none, as a directory."""
        if self.info.isdir():
            return None
        if self.info.islnk() and self.link_target is not None:
            target = self.link_target(self.info.linkname)
            # A link never leads to another one; in an archive made to harm, it could lead to itself.
            return None if target is None or target.info.islnk() else target.open_content()
        try:
            return self.tar.extractfile(self.info)
        except KeyError:  # a link to something that is not in the archive
            return None


@dataclass(frozen=True, slots=True)
class DamagedPart:
    """Stands for a member that is damaged."""

    name: str
    """The name of the member, or a description of the place."""
    why: str


def damaged_part(name: str, error: Exception) -> DamagedPart:
    """Return the damage that an error reports, in what was being read as `name`."""
    return DamagedPart(ARCHIVE if isinstance(error, ChecksumError) else name, str(error))


class Archive:
    """An open archive. `index` is its own index; if that is None, `index_problem` says why, or is empty."""

    def __init__(self, path: Path, file: BinaryIO, on_progress: Callable[[int], None]) -> None:
        self.file = file
        self.on_progress = on_progress
        self.index, self.index_problem = _read_index(path, file)
        raw = (
            PieceStream(file, self.index.pieces, on_progress) if self.index else GzipStream(file, on_progress)
        )
        self._stream = io.BufferedReader(raw, _BUFFER)

    def members(self, names: Collection[str] | None = None) -> Iterator[ArchiveMember | DamagedPart]:
        """Yield all members, or those with these names, in order, and damaged parts."""
        return self._by_index(self.index, names) if self.index else self._by_scan(names)

    def find_last(self, names: Collection[str]) -> ArchiveMember | None:
        """Return the last member of these names, the one that extracting would leave. Raises DamageError."""
        last = None
        for member in self.members(names):
            if isinstance(member, DamagedPart):
                raise DamageError(f"{member.name}: {member.why}")
            last = member
        return last

    def check_end(self, offset: int) -> None:
        """Check that only the zeros that end a tar stream follow `offset`. Raises DamageError."""
        self._stream.seek(offset)
        size = 0
        while data := self._stream.read(_BUFFER):
            if data.count(0) != len(data):
                raise DamageError(f"there is no header at byte {offset + size} of the tar stream")
            size += len(data)
        if size < END:
            raise DamageError("the zeros at its end are missing")

    def _by_index(
        self, own: index.Index, names: Collection[str] | None
    ) -> Iterator[ArchiveMember | DamagedPart]:
        for member in own.find(names):
            try:
                yield self._read_member(member)
            except DamageError as error:
                yield DamagedPart(member.name, str(error))

    def _read_member(self, member: index.Member) -> ArchiveMember:
        self._stream.seek(member.start)
        tar = self._open_tar()
        info = tar.next()
        if info is None or (info.name, info.size, info.offset_data, info.linkname) != (
            member.name,
            member.length + member.metadata.holes,
            member.content,
            member.metadata.link,
        ):
            raise DamageError(
                f"its header, at byte {member.start} of the tar stream, does not match the index"
            )
        return ArchiveMember(tar, info, lambda name: self.find_last({name}))

    def _by_scan(self, names: Collection[str] | None) -> Iterator[ArchiveMember | DamagedPart]:
        name = "the beginning"
        try:
            self._stream.seek(0)
            tar = self._open_tar()
            while (info := tar.next()) is not None:
                name = f"{info.name}, or what follows it"
                if names is None or info.name in names:
                    yield ArchiveMember(tar, info)
            # tarfile takes anything that is not a header for the end.
            self.check_end(tar.offset)
        except (DamageError, tarfile.TarError) as error:
            yield damaged_part(name, error)

    def _open_tar(self) -> tarfile.TarFile:
        try:
            return tarfile.open(
                fileobj=self._stream,
                mode="r:",
                tarinfo=GnuTarInfo,
                encoding="utf-8",
                errors="surrogateescape",
            )
        except tarfile.TarError as error:
            raise DamageError(f"there is no tar header ({error})") from None


@contextmanager
def open_archive(path: Path, on_progress: Callable[[int], None] = lambda _: None) -> Generator[Archive]:
    """Open an archive made by logcd or any other program.

    Behind a symbolic link, its index is looked for beside the archive, not beside the link. `on_progress` is
    called with the number of bytes of the file read so far. Raises ArchiveError, OSError.
    """
    with path.open("rb") as file:
        if file.read(len(_GZIP)) != _GZIP:
            raise ArchiveError(f"cannot read {path}: it is not a gzip file")
        file.seek(0)
        yield Archive(path.resolve(), file, on_progress)


def _read_index(path: Path, file: BinaryIO) -> tuple[index.Index | None, str]:
    """Return the index if it belongs to this file, else None and the reason; no reason if there is none."""
    try:
        own = index.read_index(index.index_path(path))
        index.check_matches(own.trailer, file.fileno())
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, error.strerror or str(error)
    except index.InvalidIndexError as error:
        return None, str(error)
    return own, ""
