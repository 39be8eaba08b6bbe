"""An archive, opened: its members in their order, or one of them, by the index where that is its own.

    with opened(path) as archive:
        for found in archive.members():
            ...

Without an index, or with one of another archive, everything is read by Python's tarfile, from the beginning.
With it each member is found where the index says, and one that is damaged does not hide the others.
"""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from nodelog.archive import index
from nodelog.archive.tar_stream import ChecksumError, DamageError, GzipStream, PieceStream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from pathlib import Path

_GZIP: Final = b"\x1f\x8b"
_BUFFER: Final = 1 << 16
ARCHIVE: Final = "the archive"
"""What is damaged, if it cannot be told which member."""
END: Final = 2 * tarfile.BLOCKSIZE
"""Zero bytes behind the last member, at the least."""


class ArchiveError(Exception):
    """Why a file cannot be read as an archive at all, in one line."""


@dataclass(frozen=True, slots=True)
class Found:
    """A member."""

    tar: tarfile.TarFile
    """Reads it."""
    info: tarfile.TarInfo

    @property
    def name(self) -> str:
        """Its path, without a slash in front."""
        return self.info.name

    @property
    def content(self) -> IO[bytes] | None:
        """Give what is in it, by a link too; None for what has none, such as a directory."""
        try:
            return self.tar.extractfile(self.info)
        except KeyError:  # a link to what is not in the archive
            return None


@dataclass(frozen=True, slots=True)
class Damaged:
    """What stands where a member should be."""

    name: str
    """What is damaged: a member's name, or what is known of the place."""
    why: str


def damaged(name: str, error: Exception) -> Damaged:
    """Say what an error means for what was being read."""
    return Damaged(ARCHIVE if isinstance(error, ChecksumError) else name, str(error))


class Archive:
    """One that is open. `index` is its own; if there is none, `unindexed` says why."""

    def __init__(self, path: Path, file: BinaryIO, tell: Callable[[int], None]) -> None:
        self.file = file
        self.tell = tell
        self.index, self.unindexed = _own_index(path, file)
        raw = PieceStream(file, self.index.pieces, tell) if self.index else GzipStream(file, tell)
        self._stream = io.BufferedReader(raw, _BUFFER)

    def members(self, names: Collection[str] | None = None) -> Iterator[Found | Damaged]:
        """Give all of them in their order, or those of these names, and what is damaged."""
        return self._indexed(self.index, names) if self.index else self._all(names)

    def find(self, names: Collection[str]) -> Found | None:
        """Give the last member of one of these names, as extracting it would leave it. Raises DamageError."""
        last = None
        for found in self.members(names):
            if isinstance(found, Damaged):
                raise DamageError(f"{found.name}: {found.why}")
            last = found
        return last

    def end(self, offset: int) -> None:
        """Check that from here on there are but the zeros that end a tar stream. Raises DamageError."""
        self._stream.seek(offset)
        size = 0
        while data := self._stream.read(_BUFFER):
            if data.count(0) != len(data):
                raise DamageError(f"there is no header at byte {offset + size} of the tar stream")
            size += len(data)
        if size < END:
            raise DamageError("the zeros at its end are missing")

    def _indexed(self, known: index.Index, names: Collection[str] | None) -> Iterator[Found | Damaged]:
        for member in known.members:
            if names is None or member.name in names:
                try:
                    yield self._at(member)
                except DamageError as error:
                    yield Damaged(member.name, str(error))

    def _at(self, member: index.Member) -> Found:
        self._stream.seek(member.start)
        tar = self._tar()
        info = tar.next()
        if info is None or (info.name, info.size, info.offset_data) != (
            member.name,
            member.length,
            member.content,
        ):
            raise DamageError(f"its header, at byte {member.start} of the tar stream, is another one")
        return Found(tar, info)

    def _all(self, names: Collection[str] | None) -> Iterator[Found | Damaged]:
        name = "the beginning"
        try:
            self._stream.seek(0)
            tar = self._tar()
            while (info := tar.next()) is not None:
                name = f"{info.name}, or what follows it"
                if names is None or info.name in names:
                    yield Found(tar, info)
            # tarfile takes anything that is no header for the end.
            self.end(tar.offset)
        except (DamageError, tarfile.TarError) as error:
            yield damaged(name, error)

    def _tar(self) -> tarfile.TarFile:
        try:
            return tarfile.open(fileobj=self._stream, mode="r:", encoding="utf-8", errors="surrogateescape")
        except tarfile.TarError as error:
            raise DamageError(f"there is no tar header ({error})") from None


@contextmanager
def opened(path: Path, tell: Callable[[int], None] = lambda _: None) -> Generator[Archive]:
    """Open an archive that logcd or anybody else made.

    `tell` is called with how far the file is read, bytes. Raises ArchiveError, OSError.
    """
    with path.open("rb") as file:
        if file.read(len(_GZIP)) != _GZIP:
            raise ArchiveError(f"cannot read {path}: it is not a gzip file")
        file.seek(0)
        yield Archive(path, file, tell)


def _own_index(path: Path, file: BinaryIO) -> tuple[index.Index | None, str]:
    """Give the index if it is that of this very file, or why not."""
    try:
        known = index.read_index(index.index_path(path))
        index.check_matches(known.trailer, file.fileno())
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, error.strerror or str(error)
    except index.InvalidIndexError as error:
        return None, str(error)
    return known, ""
