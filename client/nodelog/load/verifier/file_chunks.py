"""The bytes of the files that lines were written to, piece by piece, packed by gzip or not."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PIECE: Final = 4 * 1024 * 1024
_LONGEST: Final = 16 * 1024 * 1024
"""Bytes without a line feed after which they are taken for a line: ours are shorter by far."""
_GZIP: Final = b"\x1f\x8b"


class ReadError(Exception):
    """Why a file cannot be read to its end, in one line."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the bytes of a file, cut at a line feed."""

    data: bytes
    offset: int
    """Of its first byte in the file, without compression."""
    is_whole: bool
    """False for the end of a file that does not end with a line feed."""


def pieces(path: Path, tell: Callable[[int], None]) -> Iterator[Piece]:
    """Give a file; `tell` is called with how many of its bytes (as they are on disk) are read.

    Raises ReadError.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            offset, rest = 0, b""
            with gzip.GzipFile(fileobj=raw) if packed else path.open("rb", buffering=0) as file:
                while data := file.read(_PIECE):
                    rest += data
                    end = rest.rfind(b"\n") + 1 or (len(rest) if len(rest) > _LONGEST else 0)
                    if end:
                        yield Piece(rest[:end], offset, is_whole=rest[end - 1 : end] == b"\n")
                        offset, rest = offset + end, rest[end:]
                    tell(raw.tell() if packed else offset + len(rest))
            if rest:
                yield Piece(rest, offset, is_whole=False)
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ReadError(f"cannot read {path}: {why}") from None


def distinct(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Give the files that hold different lines, and those left out.

    Left out are a file given twice and the packed copy of one that is given too: a collector that is
    packing a file has both for a moment.
    """
    kept: dict[Path, Path] = {}
    for path in paths:
        kept.setdefault(path.resolve(), path)
    for whole in list(kept):
        if whole.suffix == ".gz" and whole.with_suffix("") in kept:
            del kept[whole]
    files, left_out = list(kept.values()), list(paths)
    for path in files:
        left_out.remove(path)
    return files, left_out
