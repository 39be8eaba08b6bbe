"""The stream table: the number of the last stored block of each stream."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_STREAMS = 100_000  # a million of them would make a journal of 96 MB


class StreamTable:
    """Last blocks by stream, least recently used first.

    Changed by the writer thread only; `last_block` is thread-safe. Beyond MAX_STREAMS the least recently used
    streams are forgotten, except those that `is_connected` reports as still in use.
    """

    def __init__(self, durable: dict[bytes, int], is_connected: Callable[[bytes], bool]) -> None:
        """Start with what is on the disk."""
        self.durable = durable
        self.unsynced: dict[bytes, int] = {}  # written and not durable yet
        self._is_connected = is_connected

    def last_block(self, stream: bytes, *, written: bool = False) -> int:
        """Return the last block of a stream that is durable, or `written`; 0 for none. Thread-safe."""
        # Read before `durable`: a block that becomes durable meanwhile is in one of the two.
        unsynced = self.unsynced.get(stream, 0) if written else 0
        return max(unsynced, self.durable.get(stream, 0))

    def note_written(self, last_blocks: Mapping[bytes, int]) -> None:
        """Note blocks that are written."""
        update_lru(self.unsynced, last_blocks)

    def note_durable(self, last_blocks: Mapping[bytes, int]) -> None:
        """Note that these written blocks are durable."""
        durable = {stream: block for stream, block in last_blocks.items() if stream in self.unsynced}
        update_lru(self.durable, durable)
        self.unsynced = {
            stream: block for stream, block in self.unsynced.items() if last_blocks.get(stream) != block
        }
        if len(self.durable) > MAX_STREAMS:
            self._trim()

    def discard_unsynced(self) -> None:
        """Drop what was not durable, because it may be lost."""
        self.unsynced = {}

    def forget(self, stream: bytes) -> None:
        """Forget a stream that has ended; a journal that still contains it does no harm."""
        self.durable.pop(stream, None)
        self.unsynced.pop(stream, None)

    def snapshot(self) -> dict[bytes, int]:
        """Return the table as it will be once everything written is durable."""
        table = dict(self.durable)
        update_lru(table, self.unsynced)
        return table

    def _trim(self) -> None:
        idle = (stream for stream in self.durable if not self._is_connected(stream))
        for stream in [*islice(idle, len(self.durable) - MAX_STREAMS)]:
            del self.durable[stream]


def update_lru(table: dict[bytes, int], last_blocks: Mapping[bytes, int]) -> None:
    """Set the last blocks of streams and move these to the end, as the most recently used."""
    for stream, block in last_blocks.items():
        table.pop(stream, None)
        table[stream] = block
