"""The sealed files of a log that a follower has not read yet: which they are, and how they end."""

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

CHUNK_SIZE: Final = 1 << 20
"""Bytes decompressed at a time while skipping to the end of a file."""


async def next_sealed(log: Path, number: int) -> SealedFile | None:
    """Return the file of the log that was sealed next after `number`, or None. Raises OSError."""
    later = (sealed for sealed in await asyncio.to_thread(_sealed_files, log) if sealed.number > number)
    return next(later, None)


async def last_sealed(log: Path) -> int:
    """Return the number of the file that was sealed last, or 0. Raises OSError."""
    return max((sealed.number for sealed in await asyncio.to_thread(_sealed_files, log)), default=0)


async def read_end(path: Path, room: int) -> tuple[int, bytes]:
    """Return the uncompressed size of a sealed file, and at most the last `room` bytes. Raises OSError."""
    return await asyncio.to_thread(_read_end, path, room)


def _sealed_files(log: Path) -> list[SealedFile]:
    """List each file once, plain if the plain file exists: its compressed form may not be complete yet."""
    found: dict[int, SealedFile] = {}
    try:
        for one in FileNames.resolve(log).sealed_files():
            if ".torn-" not in one.path.name:
                found.setdefault(one.number, one)  # "….log" comes before "….log.gz"
    except FileNotFoundError:  # the directory does not exist either
        return []
    return list(found.values())


def _read_end(path: Path, room: int) -> tuple[int, bytes]:
    if path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as file:
                return _read_end_of_stream(cast("BinaryIO", file), room)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise OSError(errno.EIO, f"{path.name} is damaged: {error}") from None
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - room))
        return size, file.read(room)


def _read_end_of_stream(file: BinaryIO, room: int) -> tuple[int, bytes]:
    size, end = 0, b""
    while chunk := file.read(CHUNK_SIZE):
        size += len(chunk)
        end = (end + chunk)[-room:] if room else b""
    return size, end
