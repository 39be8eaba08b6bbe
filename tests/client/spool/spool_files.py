"""What is in a spool, and how a process leaves its file that is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelog.spool.file_spool import FileSpool
    from nodelog.spool.spool import Spool

KEEPER = """
import sys
from nodelog.spool.file_spool import FileSpool
spool = FileSpool(sys.argv[1])
for number in range(1_000_000):
    spool.append([b"line %d" % number])
    print(number, flush=True)
"""
"""A program that puts lines into a spool, and prints their numbers, without end."""


def held(spool: Spool) -> dict[bytes, list[tuple[int, bytes]]]:
    """Give what is in each stream."""
    return {
        stream: [(block.number, spool.read(block)) for block in spool.blocks(stream)]
        for stream in spool.streams()
    }


def leave(spool: FileSpool) -> None:
    """Let go of the file as a process does that is killed: nothing more is written."""
    spool._database.close()
    spool._lock.release()
