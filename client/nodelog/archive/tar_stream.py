"""The tar stream of an archive as a file: from its beginning by gzip alone, or from anywhere by its index.

Whatever is wrong with the archive is a DamageError; an OSError is the disk's.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import WriteableBuffer

    from nodelog.archive.index import Piece

_T = TypeVar("_T")

_RAW: Final = -15
"""zlib's name for deflate data without a header."""
_LAST: Final = b"\x03\x00"
"""The block that ends deflate data; it is understood only where another block may begin."""


class DamageError(Exception):
    """What is wrong with an archive, in one line."""


class ChecksumError(DamageError):
    """The content is not what was compressed, and nothing says where."""


class GzipStream(io.RawIOBase):
    """Any gzip file; going back means to read it once more from its beginning."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        """Take a file at its beginning; `tell` is called with how many of its bytes are read."""
        self._file = file
        self._plain = gzip.GzipFile(fileobj=file)
        self._tell = tell
        self._damage: DamageError | None = None

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Give the position in the tar stream."""
        return self._plain.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; beyond the end means to the end."""
        return self._checked(lambda: self._plain.seek(offset, whence))

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next. Raises DamageError."""
        with memoryview(buffer) as view:
            # Never more than is there at once, so that what comes before damage is not lost with it.
            found = self._checked(lambda: self._plain.read1(len(view)))
            view[: len(found)] = found
        self._tell(self._file.tell())
        return len(found)

    def _checked(self, call: Callable[[], _T]) -> _T:
        if self._damage is None:
            try:
                return call()
            except EOFError:
                self._damage = DamageError("the archive ends in the middle")
            except zlib.error:
                self._damage = DamageError("its compressed data is damaged")
            except gzip.BadGzipFile as error:
                self._damage = ChecksumError(f"its content may be damaged anywhere: {error}")
        # Whatever could be read behind damage would be something else than what is asked for.
        raise self._damage


class PieceStream(io.RawIOBase):
    """An archive whose pieces are known: each is inflated, and checked, when something of it is read."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], tell: Callable[[int], None]) -> None:
        """Take a file; `tell` is called with how far it is read, bytes."""
        self._file = file
        self._pieces = pieces
        self._tell = tell
        self._at = 0
        self._start, self._data = 0, b""  # the piece that was read last

    @property
    def size(self) -> int:
        """Give the bytes of the tar stream."""
        return self._pieces[-1].start + self._pieces[-1].size if self._pieces else 0

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Give the position in the tar stream."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; nothing is read yet."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next, of one piece. Raises DamageError."""
        if self._at >= self.size:
            return 0
        offset = self._at - self._start
        if not 0 <= offset < len(self._data):
            piece = self._pieces[bisect_right(self._pieces, self._at, key=attrgetter("start")) - 1]
            self._start, self._data = piece.start, inflated(self._file, piece)
            self._tell(piece.offset + piece.length)
            offset = self._at - self._start
        with memoryview(buffer) as view:
            found = self._data[offset : offset + len(view)]
            view[: len(found)] = found
        self._at += len(found)
        return len(found)


def inflated(file: BinaryIO, piece: Piece) -> bytes:
    """Give the part of the tar stream that a piece holds. Raises DamageError."""
    data = os.pread(file.fileno(), piece.length, piece.offset)
    inflater = zlib.decompressobj(_RAW)
    try:
        # One more than there should be, so that data which goes on is seen, and a false size costs no memory.
        plain = inflater.decompress(data, piece.size + 1)
        at_end = not inflater.eof and inflater.decompress(inflater.unconsumed_tail + _LAST) == b""
    except zlib.error:
        plain, at_end = b"", False
    # Plain tools would not get over a piece that ends all data, nor over one that ends within a block.
    if at_end and inflater.eof and len(plain) == piece.size and zlib.crc32(plain) == piece.crc:
        return plain
    end = piece.start + piece.size - 1
    raise DamageError(f"bytes {piece.start} to {end} of the tar stream are damaged")
