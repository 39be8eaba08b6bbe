"""The files that were sealed while nobody looked: which they are, and how they end."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from nodelogd.collector.store.file_names import FileNames, SealedFile

if TYPE_CHECKING:
    from pathlib import Path

PIECE: Final = 1 << 20
"""Bytes that are read at once of what is passed over."""


async def next_sealed(log: Path, number: int) -> SealedFile | None:
    """Give the file of the log that was sealed next after the one of this number. Raises OSError."""
    later = (sealed for sealed in await asyncio.to_thread(_sealed, log) if sealed.number > number)
    return next(later, None)


async def last_sealed(log: Path) -> int:
    """Give the number of the last file that was sealed; 0 if none was. Raises OSError."""
    return max((sealed.number for sealed in await asyncio.to_thread(_sealed, log)), default=0)


async def end_of(path: Path, room: int) -> tuple[int, bytes]:
    """Give the size of a sealed file, and the end of it, at most so many bytes. Raises OSError."""
    return await asyncio.to_thread(_end_of, path, room)


def _sealed(log: Path) -> list[SealedFile]:
    """List each once, plain if it is there: it is when its compressed form is not, or not yet whole."""
    found: dict[int, SealedFile] = {}
    try:
        for one in FileNames.resolve(log).sealed_files():
            if ".torn-" not in one.path.name:
                found.setdefault(one.number, one)  # "….log" comes before "….log.gz"
    except FileNotFoundError:  # the directory is not there either
        return []
    return list(found.values())


def _end_of(path: Path, room: int) -> tuple[int, bytes]:
    if path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as file:
                return _end_of_stream(cast("BinaryIO", file), room)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise OSError(errno.EIO, f"{path.name} is damaged: {error}") from None
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - room))
        return size, file.read(room)


def _end_of_stream(file: BinaryIO, room: int) -> tuple[int, bytes]:
    size, end = 0, b""
    while piece := file.read(PIECE):
        size += len(piece)
        end = (end + piece)[-room:] if room else b""
    return size, end
