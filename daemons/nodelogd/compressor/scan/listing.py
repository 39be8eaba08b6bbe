"""The files that a scan found: names and what `lstat` said of them, packed, about 150 bytes per file."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from nodelogd.compressor.format.signatures import ROW, Signature, link_row, row_size, signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class LogFile(NamedTuple):
    """A file to archive: its member name, and its path."""

    name: str  # as in the index: the absolute path without the leading slash
    path: bytes  # absolute


class Listing:
    """Files sorted by name; a file is known by its position.

    A file with several names is archived once, under the first; the others are hard links to it.
    """

    def __init__(self, names: Sequence[bytes], rows: bytes | bytearray, shared: Sequence[int] = ()) -> None:
        """Take sorted names, the rows for them, and the positions of files that may have several names."""
        self.names = names
        """Member names, sorted."""
        self.rows = bytearray(rows)
        self.links: dict[int, int] = {}
        """Positions of the names that are hard links, each with the position of the first name."""
        self._link(shared)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)

    def __iter__(self) -> Iterator[LogFile]:
        """Yield all files."""
        return map(self.file, range(len(self)))

    def __contains__(self, name: object) -> bool:
        """Return whether there is a file of this member name."""
        return isinstance(name, str) and self.find(name) is not None

    def find(self, name: str) -> int | None:
        """Return the position of the file of this member name."""
        key = name.encode("utf-8", "surrogateescape")
        at = bisect_left(self.names, key)
        return at if at < len(self.names) and self.names[at] == key else None

    def file(self, position: int) -> LogFile:
        """Return a file."""
        name = self.names[position]
        return LogFile(name.decode("utf-8", "surrogateescape"), b"/" + name)

    def row(self, position: int) -> bytes:
        """Return what `lstat` said of a file; of a hard link, what it is a link to."""
        return bytes(self.rows[position * ROW : (position + 1) * ROW])

    def signature(self, position: int) -> Signature:
        """Return what `lstat` said of a file."""
        return signature(self.rows, position)

    def size(self, position: int) -> int:
        """Return the size of a file, 0 for a hard link."""
        return row_size(self.rows, position)

    def _link(self, shared: Sequence[int]) -> None:
        first: dict[tuple[int, int], int] = {}
        for position in shared:
            row = self.signature(position)
            target = first.setdefault((row.device, row.inode), position)
            if target != position:
                name = self.names[target].decode("utf-8", "surrogateescape")
                start = position * ROW
                self.rows[start : start + ROW] = link_row(row.device, row.inode, name)
                self.links[position] = target
