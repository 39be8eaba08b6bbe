"""Builds small archives in logcd's format, for tests of their readers."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelog.archive.index import (
    BLOCK,
    FileMetadata,
    Trailer,
    encode_index,
    index_path,
    padded_size,
)
from nodelog.archive.index_blocks import PieceSize, encode_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    Blocks = Sequence[tuple[list[FileMetadata], list[PieceSize]]]
    """Members and pieces, unit by unit."""

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


def write_archive(path: Path, files: Mapping[str, bytes], *, is_json: bool = False) -> list[PieceLocation]:
    """Write an archive with its index; each file is a header followed by pieces. Return their locations.

    With `is_json`, the index is of version 1.
    """
    archive, locations = bytearray(b"\x1f\x8b\x08\0\0\0\0\0\0\3"), []
    blocks: list[tuple[list[FileMetadata], list[PieceSize]]] = []
    stream = b""

    def add(plain: bytes) -> None:
        nonlocal stream
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        piece = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
        locations.append(PieceLocation(len(archive), len(piece)))
        blocks[-1][1].append(PieceSize(len(piece), len(plain), zlib.crc32(plain)))
        archive.extend(piece)
        stream += plain

    for name, content in files.items():
        header = _header(name, len(content))
        blocks.append(([_metadata(name, len(header), len(content))], []))
        add(header)
        whole = content.ljust(padded_size(len(content)), b"\0")
        for start in range(0, len(whole), PIECE):
            add(whole[start : start + PIECE])
    blocks.append(([], []))
    add(bytes(2 * BLOCK))
    trailer = Trailer(length=len(archive) + 10, crc=zlib.crc32(stream), size=len(stream))
    end = trailer.crc.to_bytes(4, "little") + trailer.size.to_bytes(4, "little")
    path.write_bytes(archive + b"\x03\0" + end)
    encoded = json_index(trailer, blocks) if is_json else binary_index(trailer, blocks)
    index_path(path).write_bytes(encoded)
    return locations


def binary_index(trailer: Trailer, blocks: Blocks) -> bytes:
    """Return an index of version 2."""
    return b"".join(encode_index(trailer, [encode_block(members, pieces) for members, pieces in blocks]))


def json_index(trailer: Trailer, blocks: Blocks) -> bytes:
    """Return an index of version 1."""
    lines = []
    for members, pieces in blocks:
        lines += [json_member(member) for member in members] + [json_piece(piece) for piece in pieces]
    return json_lines(trailer, lines)


def json_lines(trailer: Trailer, lines: Iterable[bytes]) -> bytes:
    """Return an index of version 1 made of lines from `json_member` and `json_piece`."""
    row = {"format": "nodelog archive index", "version": 1}
    row |= {"length": trailer.length, "crc": trailer.crc, "size": trailer.size}
    body = b"".join([_line(row), *lines])
    return body + _line({"crc": zlib.crc32(body)})


def json_member(metadata: FileMetadata) -> bytes:
    """Return the line of a member."""
    row = metadata._asdict() | {"user": OWNER, "group": OWNER}
    return _line({name: value for name, value in row.items() if name not in {"holes", "link"}})


def json_piece(piece: PieceSize) -> bytes:
    """Return the line of a piece."""
    return _line(piece._asdict())


def _line(row: dict[str, object]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


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
        mtime_ns=MTIME * 10**9,
        ctime_ns=0,
        device=0,
        inode=0,
        seen=length,
        head=0,
        finished=0,
        tail=0,
    )
