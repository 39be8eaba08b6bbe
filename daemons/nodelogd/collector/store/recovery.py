"""Where a file ends after a crash, and which blocks are in it: a pure function.

The walk begins at the highest offset that is known to be on the disk and goes from record to record. The
first one whose bytes are missing or wrong ends it: the file is cut there. What lies before the durable
offset is not read again, so a start is fast however long the file is.

Bytes behind the last record are a question of their own. After a crash of the program alone they cannot
be ours, because a record is written before its batch and the kernel that took both still runs: somebody
appended to the file meanwhile, and they stay. After a crash of the machine the record may be lost and the
batch not: its sender was never told and sends it again, so they are cut off, and kept aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.collector.store.journal_format import CLOSED, Header, Record, decode
from nodelogd.collector.store.stream_table import use
from nodelogd.service.deflate import crc32

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1024 * 1024  # bytes read at once
UNKNOWN = bytes(16)  # a kernel that does not say which run it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a journal and its file say together."""

    header: Header
    end: int  # the file is to be cut here, bytes
    streams: dict[bytes, int]
    number: int  # of the next batch
    read: int  # how many bytes had to be read again
    reason: str  # why the file is cut; empty if it is not


def recover(journal: bytes, length: int, read: Callable[[int, int], bytes], *, boot: bytes) -> Recovered:
    """Say where a file of `length` bytes is whole, and what of every stream is in it.

    `read(offset, size)` gives up to `size` bytes of the file, `boot` names the run of the kernel now.
    Raises JournalError if the journal is not one.
    """
    header, records = decode(journal)
    durable = max((record.durable for record in records), default=header.base)
    streams = dict(header.streams)
    end, number, again = header.base, header.first, 0
    for record in records:
        if record.end > durable:
            again += record.end - record.start
            if fault := _fault(record, length, read):
                break
        use(streams, record.pairs)
        end, number = record.end, record.number + 1
    else:
        closed = bool(records) and records[-1].flags & CLOSED
        same_run = header.boot == boot != UNKNOWN
        fault = "" if closed or same_run else "a batch whose record went with the machine"
    return Recovered(
        header=header,
        end=min(end, length) if fault else length,
        streams=streams,
        number=number,
        read=again,
        reason=fault if end < length else "",
    )


def _fault(record: Record, length: int, read: Callable[[int, int], bytes]) -> str:
    if length < record.end:
        return f"batch {record.number} ends at {record.end}, the file at {length}"
    crc, offset = 0, record.start
    while offset < record.end:
        piece = read(offset, min(CHUNK, record.end - offset))
        if not piece:
            return f"batch {record.number} cannot be read at {offset}"
        crc = crc32(piece, crc)
        offset += len(piece)
    return "" if crc == record.crc else f"batch {record.number} at {record.start} reads wrong"
