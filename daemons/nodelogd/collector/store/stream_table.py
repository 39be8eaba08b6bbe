"""The table of streams: which block of each is the last one stored."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST = 100_000  # streams; a million of them would be a journal of 96 MB


class Streams:
    """Last blocks by stream, in the order of their use: the one used last comes last.

    Kept by the thread that writes; `last_block` is for any. Of more than MOST streams those are forgotten
    that were not used for the longest time, unless `is_connected` says that they may still be.
    """

    def __init__(self, durable: dict[bytes, int], is_connected: Callable[[bytes], bool]) -> None:
        """Begin with what is on the disk."""
        self.durable = durable
        self.fresh: dict[bytes, int] = {}  # what is written and not durable yet
        self._is_connected = is_connected

    def last_block(self, stream: bytes, *, written: bool = False) -> int:
        """Give the last block of a stream that is durable, or that is `written`; 0 for none."""
        fresh = (
            self.fresh.get(stream, 0) if written else 0
        )  # first: what is settled meanwhile is in one of them
        return max(fresh, self.durable.get(stream, 0))

    def write(self, pairs: Mapping[bytes, int]) -> None:
        """Note blocks that are written."""
        use(self.fresh, pairs)

    def settle(self, pairs: Mapping[bytes, int]) -> None:
        """Note that these of the written blocks are durable."""
        use(self.durable, {stream: block for stream, block in pairs.items() if stream in self.fresh})
        self.fresh = {stream: block for stream, block in self.fresh.items() if pairs.get(stream) != block}
        if len(self.durable) > MOST:
            self._trim()

    def undo(self) -> None:
        """Note that what was not durable may be gone."""
        self.fresh = {}

    def forget(self, stream: bytes) -> None:
        """Forget a stream that has ended; a journal that still knows it does no harm."""
        self.durable.pop(stream, None)
        self.fresh.pop(stream, None)

    def everything(self) -> dict[bytes, int]:
        """Give what will be durable once all that is written is."""
        table = dict(self.durable)
        use(table, self.fresh)
        return table

    def _trim(self) -> None:
        idle = (stream for stream in self.durable if not self._is_connected(stream))
        for stream in [*islice(idle, len(self.durable) - MOST)]:
            del self.durable[stream]


def use(table: dict[bytes, int], pairs: Mapping[bytes, int]) -> None:
    """Note the last blocks of streams, and that these were used last."""
    for stream, block in pairs.items():
        table.pop(stream, None)
        table[stream] = block
