"""Files in chunks of whole lines, decompressed if they are gzip files."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK: Final = 4 * 1024 * 1024
_MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes without a line feed that are passed on as a line; lines of a load are much shorter."""
_GZIP: Final = b"\x1f\x8b"


class ReadError(Exception):
    """A file cannot be read to its end; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class FileChunk:
    """A part of a file, cut at a line feed."""

    data: bytes
    offset: int
    """Position of its first byte in the uncompressed file."""
    is_whole: bool
    """False if it does not end with a line feed, as at the end of some files."""


def read_chunks(path: Path, on_progress: Callable[[int], None]) -> Iterator[FileChunk]:
    """Yield the chunks of a file; `on_progress` is called with the bytes read so far, as they are on disk.

    Raises ReadError.
    """
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            offset, rest = 0, b""
            with gzip.GzipFile(fileobj=raw) if is_gzip else path.open("rb", buffering=0) as file:
                while data := file.read(_CHUNK):
                    rest += data
                    end = rest.rfind(b"\n") + 1 or (len(rest) if len(rest) > _MAX_LINE else 0)
                    if end:
                        yield FileChunk(rest[:end], offset, is_whole=rest[end - 1 : end] == b"\n")
                        offset, rest = offset + end, rest[end:]
                    on_progress(raw.tell() if is_gzip else offset + len(rest))
            if rest:
                yield FileChunk(rest, offset, is_whole=False)
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ReadError(f"cannot read {path}: {why}") from None


def distinct_files(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that hold different lines, and those left out.

    Left out are files given twice, and the compressed copy of a file that is given too: a collector that is
    compressing a file has both for a moment.
    """
    kept: dict[Path, Path] = {}
    for path in paths:
        kept.setdefault(path.resolve(), path)
    for resolved in list(kept):
        if resolved.suffix == ".gz" and resolved.with_suffix("") in kept:
            del kept[resolved]
    files, left_out = list(kept.values()), list(paths)
    for path in files:
        left_out.remove(path)
    return files, left_out
