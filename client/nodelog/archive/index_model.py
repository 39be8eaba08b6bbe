"""What an index says about an archive: its pieces, and its files as they were when they were archived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

GZIP_HEADER: Final = 10
"""Bytes before the first piece."""
GZIP_END: Final = 10
"""Bytes after the last piece: an empty final block, CRC-32, length."""
BLOCK: Final = 512
"""Bytes of a tar block; every header and every member's content takes whole blocks."""


class InvalidIndexError(ValueError):
    """The index cannot be used; the message says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """The archive an index belongs to."""

    length: int
    """Bytes of the archive file."""
    crc: int
    """CRC-32 of the whole tar stream."""
    size: int
    """Bytes of the tar stream, modulo 2**32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Raw deflate data that inflates on its own (no final block): one part of the tar stream."""

    offset: int
    """Position in the archive."""
    length: int
    """Bytes in the archive."""
    start: int
    """Position in the tar stream."""
    size: int
    """Bytes in the tar stream."""
    crc: int
    """CRC-32 of this part of the tar stream."""


class FileMetadata(NamedTuple):
    """A file as it was when it was archived."""

    name: str
    """The member's name; bytes that are not UTF-8 are escaped by surrogateescape."""
    header: int
    """Bytes of tar header before the content."""
    length: int
    """Bytes of content."""
    mode: int
    """Permission bits only."""
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    """0 if the file could change without a trace: it was too young, or is filled in place."""
    device: int
    inode: int
    seen: int
    """Length of the file; larger than the content if an unfinished last line was left out."""
    head: int
    """CRC-32 of the first 4 KiB of the content."""
    finished: int
    """CRC-32 of the last 4 KiB of the content's finished pieces; 0 if there are none."""
    tail: int
    """CRC-32 of the content after its finished pieces."""
    holes: int = 0
    """Bytes of holes that are left out of the content; 0 unless the member is a sparse file of GNU tar."""
    link: str = ""
    """The member that this one is a hard link to; it has no content of its own."""


class Member(NamedTuple):
    """A file in the archive and its position."""

    metadata: FileMetadata
    start: int
    """Position of its header in the tar stream."""

    @property
    def name(self) -> str:
        """The member's name."""
        return self.metadata.name

    @property
    def content(self) -> int:
        """Position of its content in the tar stream."""
        return self.start + self.metadata.header

    @property
    def length(self) -> int:
        """Bytes of content in the tar stream."""
        return self.metadata.length

    @property
    def end(self) -> int:
        """Position of what follows it in the tar stream."""
        return self.content + padded_size(self.metadata.length)


class MemberSource(Protocol):
    """Some consecutive members of an archive."""

    def find(self, names: Collection[str] | None) -> Iterator[Member]:
        """Yield the members, or those of these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The contents of an archive; the pieces cover the whole tar stream without gaps."""

    trailer: Trailer
    pieces: list[Piece]
    units: Sequence[MemberSource]

    def find(self, names: Collection[str] | None = None) -> Iterator[Member]:
        """Yield all members, or those of these names, in order. Few of them are in memory at a time."""
        for unit in self.units:
            yield from unit.find(names)

    @property
    def members(self) -> list[Member]:
        """All members."""
        return list(self.find())


def padded_size(length: int) -> int:
    """Return the bytes that content of `length` bytes takes in a tar stream."""
    return -(-length // BLOCK) * BLOCK
