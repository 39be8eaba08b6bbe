"""What the journal looks like: values to bytes and back, no I/O.

A journal says what of one file is committed. It begins with a `Header` (which file, from which offset
on, and the table of streams as it was then), and goes on with a `Record` per batch, written before the
batch itself. Behind the last record come zeros: the space is allocated ahead, so that a full disk stops
the data and never the journal. All numbers are little-endian; every piece ends in its own CRC-32.

    header   magic 8, version u16, unused u16, streams u32, generation u64, device u64, inode u64, base u64,
             first batch u64, sealed u64, born f64, boot 16, streams x (id 16, last block u64), crc u32
    record   length u32, pairs u32, flags u32, number u64, start u64, end u64, durable u64, crc of the
             batch u32, pairs x (id 16, last block u64), crc u32
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"nodelog\0"
VERSION = 1
CLOSED = 1  # flag of a record: the writer went in peace, whatever lies behind `end` is not its own

_HEADER = struct.Struct("<8sHHIQQQQQQd16s")
_RECORD = struct.Struct("<IIIQQQQI")
_PAIR = struct.Struct("<16sQ")
_CRC = struct.Struct("<I")


class JournalError(Exception):
    """These bytes are no journal of ours: cut off, damaged, or of a version this program does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Which file a journal belongs to, and all that was committed when it began."""

    generation: int
    device: int
    inode: int
    base: int  # offset in the file where this journal begins, bytes
    first: int  # number of the first batch it may hold
    sealed: int  # the highest number a sealed file was given so far
    born: float  # when the file was begun, seconds since the epoch
    boot: bytes  # which run of the kernel wrote it, 16 bytes
    streams: Mapping[bytes, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Give the header and the table as they stand in the file."""
        fixed = _HEADER.pack(
            MAGIC, VERSION, 0, len(self.streams), self.generation, self.device, self.inode, self.base,
            self.first, self.sealed, self.born, self.boot,
        )  # fmt: skip
        body = fixed + b"".join(_PAIR.pack(stream, block) for stream, block in self.streams.items())
        return body + _CRC.pack(crc32(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One batch: where it lies, what it must read like, which blocks of which streams it carries."""

    number: int
    start: int
    end: int
    durable: int  # everything before this offset was on the disk when the record was written
    crc: int
    pairs: Mapping[bytes, int] = field(default_factory=dict)
    flags: int = 0

    def encode(self) -> bytes:
        """Give the record as it stands in the file."""
        length = _RECORD.size + len(self.pairs) * _PAIR.size + _CRC.size
        fixed = _RECORD.pack(
            length, len(self.pairs), self.flags, self.number, self.start, self.end, self.durable, self.crc
        )
        body = fixed + b"".join(_PAIR.pack(stream, block) for stream, block in self.pairs.items())
        return body + _CRC.pack(crc32(body))


def decode_header(journal: bytes) -> Header:
    """Read what a journal begins with: what it is about. Raises JournalError if it cannot be trusted."""
    return _header(journal)[0]


def decode(journal: bytes) -> tuple[Header, list[Record]]:
    """Read a journal up to its first record that is torn, foreign or missing.

    Raises JournalError if not even the header can be trusted.
    """
    header, offset = _header(journal)
    records: list[Record] = []
    number, end = header.first, header.base
    while record := _record(journal, offset):
        if record.number != number or record.start != end:
            break
        records.append(record)
        number, end = number + 1, record.end
        offset += _CRC.size + _RECORD.size + len(record.pairs) * _PAIR.size
    return header, records


def _header(journal: bytes) -> tuple[Header, int]:
    if len(journal) < _HEADER.size + _CRC.size:
        raise JournalError(f"journal of {len(journal)} bytes, at least {_HEADER.size + _CRC.size} expected")
    magic, version, _, streams, *numbers, born, boot = _HEADER.unpack_from(journal)
    if magic != MAGIC:
        raise JournalError("not a journal: it begins with other bytes")
    if version != VERSION:
        raise JournalError(f"journal of format version {version}, this program knows {VERSION}")
    table = _HEADER.size + streams * _PAIR.size
    if len(journal) < table + _CRC.size:
        raise JournalError(f"journal of {len(journal)} bytes, its header alone says {table + _CRC.size}")
    if crc32(journal[:table]) != _CRC.unpack_from(journal, table)[0]:
        raise JournalError("journal with a damaged header")
    generation, device, inode, base, first, sealed = numbers
    header = Header(
        generation=generation, device=device, inode=inode, base=base, first=first, sealed=sealed,
        born=born, boot=boot, streams=dict(_PAIR.iter_unpack(journal[_HEADER.size : table])),
    )  # fmt: skip
    return header, table + _CRC.size


def _record(journal: bytes, offset: int) -> Record | None:
    if len(journal) < offset + _RECORD.size:
        return None
    length, pairs, flags, number, start, end, durable, crc = _RECORD.unpack_from(journal, offset)
    tail = offset + length - _CRC.size
    if length != _RECORD.size + pairs * _PAIR.size + _CRC.size or len(journal) < offset + length:
        return None
    if crc32(journal[offset:tail]) != _CRC.unpack_from(journal, tail)[0]:
        return None
    carried = dict(_PAIR.iter_unpack(journal[offset + _RECORD.size : tail]))
    return Record(number=number, start=start, end=end, durable=durable, crc=crc, pairs=carried, flags=flags)
