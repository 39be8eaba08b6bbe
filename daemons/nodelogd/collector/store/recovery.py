"""Where a file ends after a crash, and which blocks are in it: a pure function.

Recovery starts at the highest offset that is known to be on the disk and goes from record to record. The
first record whose batch is missing or damaged ends it: the file is cut there. What lies before the durable
offset is not read again, so a start is fast however long the file is.

Bytes behind the last record are a separate question. After a crash of the program alone they cannot be
ours, because a record is written before its batch, and the kernel that received both still runs: another
program appended to the file meanwhile, and they stay. After a crash of the machine the record may be lost
while its batch is not: its sender never got an ack and sends it again, so these bytes are cut off and kept
aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.collector.store.journal_format import CLOSED, Header, Record, decode
from nodelogd.collector.store.stream_table import update_lru
from nodelogd.service.files.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1024 * 1024  # bytes per read
UNKNOWN_BOOT = bytes(16)  # from a kernel that does not provide a boot id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPoint:
    """What a journal and its file contain together."""

    header: Header
    end: int  # offset where the file must be cut, bytes; its length if it is whole
    streams: dict[bytes, int]
    next_number: int  # of the next batch
    bytes_read: int  # of the file, to verify batches
    cut_reason: str  # empty if nothing is cut


def find_recovery_point(
    journal: bytes, length: int, read: Callable[[int, int], bytes], *, boot_id: bytes
) -> RecoveryPoint:
    """Return up to where a file of `length` bytes is whole, and the last block of every stream in it.

    `read(offset, size)` returns up to `size` bytes of the file; `boot_id` is the id of the current boot.
    Raises JournalError if the journal cannot be used.
    """
    header, records = decode(journal)
    durable = max((record.durable for record in records), default=header.base)
    streams = dict(header.streams)
    end, number, bytes_read = header.base, header.first_batch, 0
    for record in records:
        if record.end > durable:
            bytes_read += record.end - record.start
            if fault := _find_fault(record, length, read):
                break
        update_lru(streams, record.last_blocks)
        end, number = record.end, record.number + 1
    else:
        is_closed = bool(records) and records[-1].flags & CLOSED
        is_same_boot = header.boot_id == boot_id != UNKNOWN_BOOT
        fault = "" if is_closed or is_same_boot else "a batch whose record was lost when the machine crashed"
    return RecoveryPoint(
        header=header,
        end=min(end, length) if fault else length,
        streams=streams,
        next_number=number,
        bytes_read=bytes_read,
        cut_reason=fault if end < length else "",
    )


def _find_fault(record: Record, length: int, read: Callable[[int, int], bytes]) -> str:
    if length < record.end:
        return f"batch {record.number} ends at {record.end}, the file at {length}"
    crc, offset = 0, record.start
    while offset < record.end:
        piece = read(offset, min(CHUNK, record.end - offset))
        if not piece:
            return f"batch {record.number} cannot be read at {offset}"
        crc = crc32(piece, crc)
        offset += len(piece)
    return "" if crc == record.crc else f"batch {record.number} at {record.start} has a wrong checksum"
