"""The format of the journal: values to bytes and back, no I/O.

A journal describes what of one file is committed. It begins with a `Header` (which file, from which offset
on, and the stream table at that time), followed by one `Record` per batch, written before the batch itself.
After the last record come zeros: the space is allocated in advance, so a full disk stops the data and never
the journal. Where no file can be created, a new journal goes into the file of the old one, by turns at offset
0 and at SPARE_SLOT: the old one stays whole until the new one is, and the higher generation counts. All
numbers are little-endian; the header and every record end in their own CRC-32.

    header   magic 8, version u16, unused u16, streams u32, generation u64, device u64, inode u64, base u64,
             first batch u64, last sealed u64, created at f64, boot id 16, streams x (id 16, last block u64),
             crc u32
    record   length u32, streams u32, flags u32, number u64, start u64, end u64, durable u64, crc of the
             batch u32, streams x (id 16, last block u64), crc u32
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"nodelog\0"
VERSION = 1
SPARE_SLOT = 16 * 1024 * 1024  # bytes; offset of the second place in the file
CLOSED = 1  # flag of a record: the writer closed the file; whatever lies behind `end` is not its own

_HEADER = struct.Struct("<8sHHIQQQQQQd16s")
_RECORD = struct.Struct("<IIIQQQQI")
_LAST_BLOCK = struct.Struct("<16sQ")
_CRC = struct.Struct("<I")


class JournalError(Exception):
    """These bytes are no usable journal: truncated, damaged, or of a version this program does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Which file a journal belongs to, and everything that was committed when the journal was started."""

    generation: int
    device: int
    inode: int
    base: int  # offset in the file where this journal begins, bytes
    first_batch: int  # number of the first batch it may hold
    last_sealed: int  # the highest number given to a sealed file so far
    created_at: float  # when the file was created, seconds since the epoch
    boot_id: bytes  # of the boot in which the journal was written, 16 bytes
    streams: Mapping[bytes, int] = field(default_factory=dict)  # last block by stream

    def encode(self) -> bytes:
        """Return the header with its stream table, as in the file."""
        fixed = _HEADER.pack(
            MAGIC, VERSION, 0, len(self.streams), self.generation, self.device, self.inode, self.base,
            self.first_batch, self.last_sealed, self.created_at, self.boot_id,
        )  # fmt: skip
        body = fixed + b"".join(_LAST_BLOCK.pack(stream, block) for stream, block in self.streams.items())
        return body + _CRC.pack(crc32(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One batch: where it lies, its checksum, and which blocks of which streams it carries."""

    number: int
    start: int
    end: int
    durable: int  # everything before this offset was on the disk when the record was written
    crc: int
    last_blocks: Mapping[bytes, int] = field(default_factory=dict)  # number of the last block, by stream
    flags: int = 0

    def encode(self) -> bytes:
        """Return the record as in the file."""
        length = _RECORD.size + len(self.last_blocks) * _LAST_BLOCK.size + _CRC.size
        fixed = _RECORD.pack(
            length,
            len(self.last_blocks),
            self.flags,
            self.number,
            self.start,
            self.end,
            self.durable,
            self.crc,
        )
        body = fixed + b"".join(_LAST_BLOCK.pack(stream, block) for stream, block in self.last_blocks.items())
        return body + _CRC.pack(crc32(body))


def decode_header(journal: bytes) -> Header:
    """Decode the header of a journal. Raises JournalError if it cannot be trusted."""
    return _decode_header(current_slot(journal)[1])[0]


def current_slot(journal: bytes) -> tuple[int, bytes]:
    """Return the offset of the journal that counts, and its bytes."""
    spare = journal[SPARE_SLOT:]
    if spare and _generation(spare) > _generation(journal):
        return SPARE_SLOT, spare
    return 0, journal


def decode(journal: bytes) -> tuple[Header, list[Record]]:
    """Decode a journal up to the first record that is torn, foreign or missing.

    Raises JournalError if even the header cannot be trusted.
    """
    _, journal = current_slot(journal)
    header, offset = _decode_header(journal)
    records: list[Record] = []
    number, end = header.first_batch, header.base
    while record := _decode_record(journal, offset):
        if record.number != number or record.start != end:
            break
        records.append(record)
        number, end = number + 1, record.end
        offset += _CRC.size + _RECORD.size + len(record.last_blocks) * _LAST_BLOCK.size
    return header, records


def _generation(journal: bytes) -> int:
    try:
        return _decode_header(journal)[0].generation
    except JournalError:
        return -1


def _decode_header(journal: bytes) -> tuple[Header, int]:
    if len(journal) < _HEADER.size + _CRC.size:
        raise JournalError(f"journal of {len(journal)} bytes, at least {_HEADER.size + _CRC.size} expected")
    magic, version, _, streams, *numbers, created_at, boot_id = _HEADER.unpack_from(journal)
    if magic != MAGIC:
        raise JournalError("not a journal: it begins with other bytes")
    if version != VERSION:
        raise JournalError(f"journal of format version {version}, this program knows {VERSION}")
    end = _HEADER.size + streams * _LAST_BLOCK.size
    if len(journal) < end + _CRC.size:
        raise JournalError(f"journal of {len(journal)} bytes, its header alone needs {end + _CRC.size}")
    if crc32(journal[:end]) != _CRC.unpack_from(journal, end)[0]:
        raise JournalError("journal with a damaged header")
    generation, device, inode, base, first_batch, last_sealed = numbers
    header = Header(
        generation=generation, device=device, inode=inode, base=base, first_batch=first_batch,
        last_sealed=last_sealed, created_at=created_at, boot_id=boot_id,
        streams=dict(_LAST_BLOCK.iter_unpack(journal[_HEADER.size : end])),
    )  # fmt: skip
    return header, end + _CRC.size


def _decode_record(journal: bytes, offset: int) -> Record | None:
    if len(journal) < offset + _RECORD.size:
        return None
    length, streams, flags, number, start, end, durable, crc = _RECORD.unpack_from(journal, offset)
    tail = offset + length - _CRC.size
    if length != _RECORD.size + streams * _LAST_BLOCK.size + _CRC.size or len(journal) < offset + length:
        return None
    if crc32(journal[offset:tail]) != _CRC.unpack_from(journal, tail)[0]:
        return None
    last_blocks = dict(_LAST_BLOCK.iter_unpack(journal[offset + _RECORD.size : tail]))
    return Record(
        number=number, start=start, end=end, durable=durable, crc=crc, last_blocks=last_blocks, flags=flags
    )
