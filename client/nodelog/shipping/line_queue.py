"""Where callers hand in their lines, and learn what became of them: the one place that threads share.

A caller only appends to a list. Whoever drives the rest takes the list over, and is woken only if it waits: a
wake-up costs the caller more than everything else here. Who has many lines at once hands in a Run of them,
and is spared the price of each.
"""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import BLOCK_BYTES, count_lines, drop_notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.spool.spool import Spool

_NEVER: Final = float("inf")


class FullPolicy(Enum):
    """What to do with a line when there is no room for it."""

    BLOCK = "block"
    """Wait until there is, as long as the caller allows."""
    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"


class LineQueue:
    """Takes lines until `most` bytes are held, here and in the spool.

    `wake` is called when lines are waited for. A line that is larger than all of `most` is taken if nothing
    else is held.
    """

    def __init__(self, most: int, full: FullPolicy, wake: Callable[[], None]) -> None:
        self.dropped = 0
        """Lines that were dropped here, without coming into the spool."""
        self._max_bytes = most
        self._policy = full
        self._wake = wake
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0  # in them
        self._free_bytes = most  # bytes that may still come
        self._entered = 0  # lines that were ever in them
        self._handed_over = 0  # of them, those that are in them no more
        self._notices = 0  # of them, those that tell of others
        self._wakeup_bytes = _NEVER  # bytes in them at which to wake
        self._in_transit = self._in_transit_bytes = 0  # on their way into the spool
        self._spooled = 0  # lines in it
        self._left_spool = 0  # lines that were in the spool
        self._dropped_from_queue = 0  # lines that were dropped after they had been taken in
        self._unreported = 0  # lines that were not taken in, and the stream does not tell of yet
        self._unreported_oldest = 0  # the same, but from before the first of `_lines`
        self._reported_in_transit = 0  # of these, with the lines that are on their way
        self.is_closed = False
        self.is_finished = False
        """True once nothing that is left here will go anywhere."""
        # Reentrant: a signal handler may send a line while its own thread is in here.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    @property
    def unacknowledged(self) -> int:
        """How many lines no collector has acknowledged yet."""
        with self._lock:
            return self._count_unacknowledged()

    @property
    def accepted(self) -> int:
        """How many lines were taken in."""
        return self._entered - self._notices

    def offer(self, line: bytes, count: int = 1) -> bool:
        """Take a line without its LF, or a Run of `count`, if there is room or can be made.

        Raises ValueError when closed.
        """
        size = len(line) + 1
        with self._lock:
            if size > self._free_bytes or self._unreported:
                if not self._try_add(line, count):
                    return False
            else:  # the same as in _add: a caller pays for each call of a function
                self._lines.append(line)
                self._queued_bytes += size
                self._free_bytes -= size
                self._entered += count
            if self._queued_bytes < self._wakeup_bytes:
                return True
            self._wakeup_bytes = _NEVER
        self._wake()
        return True

    def offer_blocking(self, line: bytes, timeout: float | None, count: int = 1) -> bool:
        """Take what `offer` refused once there is room; False if there is none within `timeout` seconds.

        Raises ValueError when closed.
        """
        if self._policy is not FullPolicy.BLOCK or timeout == 0:
            return False
        with self._changed:
            taken = self._changed.wait_for(lambda: self._try_add(line, count), timeout)
        self._wake()
        return taken

    def count_refused(self, count: int = 1) -> None:
        """Count lines that were not taken in time and are given up; a policy that drops has done so."""
        if self._policy is FullPolicy.BLOCK:
            with self._lock:
                self._count_dropped(count)

    def close(self) -> None:
        """Take no more lines."""
        with self._changed:
            if self._unreported:
                self._add_drop_notice()
            self.is_closed = True
            self._free_bytes = -1
            self._changed.notify_all()
        self._wake()

    def watch_unspooled(self) -> Callable[[], int]:
        """Give a function that tells how many of the lines up to now are not in the spool yet."""
        goal = self._entered
        return lambda: max(0, goal - self._handed_over + self._in_transit)

    def watch_unacknowledged(self) -> Callable[[], int]:
        """Give a function that tells how many of the lines up to now have not left the spool yet."""
        with self._lock:
            goal = self._left_spool + self._dropped_from_queue + self._count_unacknowledged()
        return lambda: max(0, goal - self._left_spool - self._dropped_from_queue)

    def wait_until_zero(self, remaining: Callable[[], int], timeout: float | None) -> int:
        """Wait until nothing remains of what is watched, all is over, or `timeout` seconds; give the rest."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_finished or not remaining(), timeout)
            return remaining()

    def request_wakeup(self, wanted: int) -> bool:
        """Ask to be woken when so many bytes are here; True if they are."""
        with self._lock:
            self._wakeup_bytes = _NEVER if self._queued_bytes >= wanted else wanted
            return self._queued_bytes >= wanted

    def take_batch(self) -> list[bytes]:
        """Give the lines that go into the spool next, a block or so; then `settle`, or `give_back`."""
        with self._lock:
            self._wakeup_bytes = _NEVER
            if self._queued_bytes <= BLOCK_BYTES:
                lines, self._lines = list(self._lines), deque()
                size, self._queued_bytes = self._queued_bytes, 0
            else:
                lines, size = self._pop_block()
            if self._unreported_oldest:
                lines.insert(0, drop_notice(self._unreported_oldest))
                self._entered += 1
                self._notices += 1
                self._reported_in_transit, self._unreported_oldest = self._unreported_oldest, 0
            self._in_transit = count_lines(lines) if self._lines else self._entered - self._handed_over
            self._in_transit_bytes = size
            self._handed_over += self._in_transit
            return lines

    def put_back(self, lines: list[bytes]) -> None:
        """Keep lines here that could not be put into the spool."""
        with self._lock:
            if self._reported_in_transit:
                del lines[0]
                self._entered -= 1
                self._notices -= 1
                self._unreported_oldest, self._reported_in_transit = (
                    self._unreported_oldest + self._reported_in_transit,
                    0,
                )
            self._lines.extendleft(reversed(lines))
            self._queued_bytes += self._in_transit_bytes
            self._handed_over -= self._in_transit
            self._in_transit = self._in_transit_bytes = 0

    def sync_with_spool(self, spool: Spool) -> None:
        """Take note of what is in the spool now, and of what has left it; those who wait for it are told."""
        with self._changed:
            self._in_transit = self._in_transit_bytes = self._reported_in_transit = 0
            self._spooled, self._left_spool = spool.lines, spool.removed
            self._free_bytes = -1 if self.is_closed else self._max_bytes - self._queued_bytes - spool.size
            self._changed.notify_all()

    def _try_add(self, line: bytes, count: int) -> bool:
        if self.is_closed:
            raise ValueError("the shipper is closed")
        size = len(line) + 1
        if size > self._free_bytes < self._max_bytes and not self._make_room(size, count):
            return False
        if self._unreported:
            self._add_drop_notice()
        self._add(line, count)
        return True

    def _make_room(self, size: int, count: int) -> bool:
        """Do what is to be done when all is full; False if the `count` lines stay outside.

        The oldest lines are those in the spool. These here are dropped only if nobody takes them over.
        """
        if self._policy is FullPolicy.DROP_NEWEST:
            self._count_dropped(count)
        if self._policy is not FullPolicy.DROP_OLDEST:
            return False
        while self._lines and self._queued_bytes + size > self._max_bytes:
            oldest = self._lines.popleft()
            removed = count_lines([oldest])
            self._queued_bytes -= len(oldest) + 1
            self._free_bytes += len(oldest) + 1
            self._handed_over += removed
            self._dropped_from_queue += removed
            self._unreported_oldest += removed
            self.dropped += removed
        return True

    def _count_dropped(self, count: int) -> None:
        self.dropped += count
        self._unreported += count

    def _add_drop_notice(self) -> None:
        self._add(drop_notice(self._unreported))
        self._unreported = 0
        self._notices += 1

    def _add(self, line: bytes, count: int = 1) -> None:
        size = len(line) + 1
        self._lines.append(line)
        self._queued_bytes += size
        self._free_bytes -= size
        self._entered += count

    def _pop_block(self) -> tuple[list[bytes], int]:
        lines: list[bytes] = []
        size = 0
        while size < BLOCK_BYTES and self._lines:
            line = self._lines.popleft()
            lines.append(line)
            size += len(line) + 1
        self._queued_bytes -= size
        return lines, size

    def _count_unacknowledged(self) -> int:
        return self._entered - self._handed_over + self._in_transit + self._spooled
