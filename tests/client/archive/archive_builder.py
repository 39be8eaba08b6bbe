"""Builds small archives in logcd's format, for tests of their readers."""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelog.archive.index import (
    BLOCK,
    FileMetadata,
    Trailer,
    encode_index,
    encode_member,
    encode_piece,
    index_path,
    padded_size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PIECE = 4096
"""Bytes of content in a piece."""
OWNER = "root"
MODE = 0o640
MTIME = 1_795_000_000  # seconds


@dataclass(frozen=True, slots=True)
class PieceLocation:
    """The location of a piece in the archive."""

    offset: int
    length: int


def write_archive(path: Path, files: Mapping[str, bytes]) -> list[PieceLocation]:
    """Write an archive with its index; each file is a header followed by pieces. Return their locations."""
    archive, lines, locations = bytearray(b"\x1f\x8b\x08\0\0\0\0\0\0\3"), [], []
    stream = b""

    def add(plain: bytes) -> None:
        nonlocal stream
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        piece = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
        locations.append(PieceLocation(len(archive), len(piece)))
        lines.append(encode_piece(len(piece), len(plain), zlib.crc32(plain)))
        archive.extend(piece)
        stream += plain

    for name, content in files.items():
        header = _header(name, len(content))
        lines.append(encode_member(_metadata(name, len(header), len(content))))
        add(header)
        whole = content.ljust(padded_size(len(content)), b"\0")
        for start in range(0, len(whole), PIECE):
            add(whole[start : start + PIECE])
    add(bytes(2 * BLOCK))
    trailer = Trailer(length=len(archive) + 10, crc=zlib.crc32(stream), size=len(stream))
    end = trailer.crc.to_bytes(4, "little") + trailer.size.to_bytes(4, "little")
    path.write_bytes(archive + b"\x03\0" + end)
    index_path(path).write_bytes(encode_index(trailer, lines))
    return locations


def flip_byte(path: Path, offset: int) -> None:
    """Invert the bits of one byte of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([before ^ 0xFF]))


def write_plain_archive(path: Path, files: Mapping[str, bytes], *others: tarfile.TarInfo) -> None:
    """Write an archive as other tools do, without an index; `others` are further members without content."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in others:
            tar.addfile(info)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.uname, info.gname = size, MODE, MTIME, OWNER, OWNER
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _metadata(name: str, header: int, length: int) -> FileMetadata:
    return FileMetadata(
        name=name,
        header=header,
        length=length,
        mode=MODE,
        uid=0,
        gid=0,
        user=OWNER,
        group=OWNER,
        mtime_ns=MTIME * 10**9,
        ctime_ns=0,
        device=0,
        inode=0,
        seen=length,
        head=0,
        finished=0,
        tail=0,
    )
