"""The tar stream of an archive as a file: by gzip alone from the beginning, or by the index from anywhere.

Anything wrong with the archive is a DamageError; an OSError comes from the disk.
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
"""The zlib window size that means deflate data without a header."""
MAX_PIECE: Final = 128 * 1024**2
"""Bytes of a piece, inflated or not; logcd writes pieces of a few MiB."""
_LAST_BLOCK: Final = b"\x03\x00"
"""The block that ends deflate data; it is only understood where a new block may begin."""


class DamageError(Exception):
    """The archive is damaged; the message says how in one line."""


class ChecksumError(DamageError):
    """The content differs from what was compressed, and nothing shows where."""


class GzipStream(io.RawIOBase):
    """Any gzip file; seeking backwards reads it again from its beginning."""

    def __init__(self, file: BinaryIO, on_progress: Callable[[int], None]) -> None:
        """Wrap a file at its beginning; `on_progress` is called with the number of its bytes read so far."""
        self._file = file
        self._plain = gzip.GzipFile(fileobj=file)
        self._on_progress = on_progress
        self._damage: DamageError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the tar stream."""
        return self._plain.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; one beyond the end means the end."""
        return self._checked(lambda: self._plain.seek(offset, whence))

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes. Raises DamageError."""
        with memoryview(buffer) as view:
            # Only what one read yields, so that the bytes before a damage are not lost with it.
            data = self._checked(lambda: self._plain.read1(len(view)))
            view[: len(data)] = data
        self._on_progress(self._file.tell())
        return len(data)

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
        # Anything that could be read after a damage would be other bytes than those asked for.
        raise self._damage


class PieceStream(io.RawIOBase):
    """An archive with known pieces; each is inflated and checked when a part of it is read."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], on_progress: Callable[[int], None]) -> None:
        """Wrap a file; `on_progress` is called with the position in it, in bytes, after each piece."""
        self._file = file
        self._pieces = pieces
        self._on_progress = on_progress
        self._position = 0
        self._start, self._data = 0, b""  # the piece that was read last

    @property
    def size(self) -> int:
        """Bytes of the tar stream."""
        return self._pieces[-1].start + self._pieces[-1].size if self._pieces else 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the tar stream."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; nothing is read yet."""
        self._position = (
            offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        )
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes of one piece. Raises DamageError."""
        if self._position >= self.size:
            return 0
        offset = self._position - self._start
        if not 0 <= offset < len(self._data):
            piece = self._pieces[bisect_right(self._pieces, self._position, key=attrgetter("start")) - 1]
            self._start, self._data = piece.start, inflate_piece(self._file, piece)
            self._on_progress(piece.offset + piece.length)
            offset = self._position - self._start
        with memoryview(buffer) as view:
            data = self._data[offset : offset + len(view)]
            view[: len(data)] = data
        self._position += len(data)
        return len(data)


def inflate_piece(file: BinaryIO, piece: Piece) -> bytes:
    """Return the part of the tar stream that a piece holds. Raises DamageError."""
    if max(piece.length, piece.size) > MAX_PIECE:
        text = f"a piece of {max(piece.length, piece.size)} bytes, at most {MAX_PIECE} allowed"
        raise DamageError(f"its index is wrong or hostile: {text}; remove the index to read it without")
    data = os.pread(file.fileno(), piece.length, piece.offset)
    inflater = zlib.decompressobj(_RAW)
    try:
        # One byte more than expected, so that data that goes on is noticed and a wrong size costs no memory.
        plain = inflater.decompress(data, piece.size + 1)
        at_end = not inflater.eof and inflater.decompress(inflater.unconsumed_tail + _LAST_BLOCK) == b""
    except zlib.error:
        plain, at_end = b"", False
    # Other tools could not read past a piece that ends the deflate data, or that ends within a block.
    if at_end and inflater.eof and len(plain) == piece.size and zlib.crc32(plain) == piece.crc:
        return plain
    end = piece.start + piece.size - 1
    raise DamageError(f"bytes {piece.start} to {end} of the tar stream are damaged")
