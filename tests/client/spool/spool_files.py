"""The content of a spool, and a spool's file as a killed process leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelog.spool.file_spool import FileSpool
    from nodelog.spool.spool import Spool

WRITER = """
import sys
from nodelog.spool.file_spool import FileSpool
spool = FileSpool(sys.argv[1])
for number in range(1_000_000):
    spool.append([b"line %d" % number])
    print(number, flush=True)
"""
"""A program that appends lines to a spool and prints their numbers, without end."""


def held(spool: Spool) -> dict[bytes, list[tuple[int, bytes]]]:
    """Return the block numbers and data of each stream."""
    return {
        stream: [(block.number, spool.read(block)) for block in spool.blocks(stream)]
        for stream in spool.streams()
    }


def abandon(spool: FileSpool) -> None:
    """Leave the file as a killed process does: nothing more is written."""
    spool._database.close()
    spool._lock.release()
