"""The queue where callers hand in lines and learn what became of them: the only part that threads share.

A caller only appends to a list. The driver takes it over, and is woken only if it waits: that costs more than
all else here. A caller with many lines hands in a LineBatch, at the cost of one line.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from nodelog.spool.blocks import BLOCK_BYTES, count_lines, drop_notice
from nodelog.unpatched import Locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.spool.spool import Spool

_NEVER: Final = float("inf")


class FullPolicy(Enum):
    """What to do with a line when there is no room for it."""

    BLOCK = "block"
    """Wait for room, as long as the caller allows."""
    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"


class ClosedError(ValueError):
    """The queue accepts no more lines."""


class LineQueue(Locked):
    """Accepts lines until `max_bytes` are held, here and in the spool together; of a larger line only one.

    `offer` calls `wake` only if the driver has asked for it with `request_wakeup`.
    """

    def __init__(self, max_bytes: int, policy: FullPolicy, wake: Callable[[], None]) -> None:
        super().__init__()  # a reentrant lock: a signal handler may send while its own thread is in here
        self.dropped = 0
        """Lines that were dropped here, before they reached the spool."""
        self._max_bytes = max_bytes
        self._policy = policy
        self._wake = wake
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0  # in `_lines`
        self._free_bytes = max_bytes  # that may still be added
        self._entered = 0  # lines that were ever added to `_lines`
        self._handed_over = 0  # of them, those that are no longer in it
        self._notices = 0  # of them, drop notices
        self._wakeup_bytes = _NEVER  # queued bytes at which to wake the driver
        self._in_transit = self._in_transit_bytes = 0  # lines and bytes on their way into the spool
        self._spooled = 0  # lines in the spool
        self._removed_from_spool = 0  # lines that were in the spool
        self._dropped_from_queue = 0  # lines that were accepted and dropped here
        self._refused = 0  # lines that were not accepted and that no drop notice reports yet
        self._unreported = 0  # lines that were dropped before the first of `_lines` and not reported yet
        self._reported_in_transit = 0  # lines reported by a drop notice on its way into the spool
        self.is_closed = False
        self.is_finished = False
        """True once nothing that is left here will be sent."""

    @property
    def unacknowledged(self) -> int:
        """The number of lines held here or in the spool: no collector has acknowledged them yet."""
        with self._lock:
            return self._count_unacknowledged()

    @property
    def accepted(self) -> int:
        """The number of lines that were accepted."""
        return self._entered - self._notices

    def offer(self, line: bytes, count: int = 1) -> bool:
        """Accept a line without its LF, or a LineBatch of `count`, if there is room or room can be made.

        Raises ValueError when closed.
        """
        size = len(line) + 1
        with self._lock:
            if size > self._free_bytes or self._refused:
                if not self._try_add(line, count):
                    return False
            else:  # the same as in _add: a caller pays for each function call
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
        """Accept what `offer` refused once there is room; False if there is none within `timeout` seconds.

        Only the policy `block` waits. Raises ValueError when closed.
        """
        if self._policy is not FullPolicy.BLOCK or timeout == 0:
            return False
        with self._lock:
            is_accepted = self._changed.wait_for(lambda: self._try_add(line, count), timeout)
        self._wake()
        return is_accepted

    def count_refused(self, count: int = 1) -> None:
        """Count lines that were refused and are given up; the other policies have counted them already."""
        if self._policy is FullPolicy.BLOCK:
            with self._lock:
                self._count_dropped(count)

    def close(self) -> None:
        """Accept no more lines."""
        with self._lock:
            if self._refused:
                self._add_drop_notice()
            self.is_closed = True
            self._free_bytes = -1
            self._changed.notify_all()
        self._wake()

    def watch_unspooled(self) -> Callable[[], int]:
        """Return a function that counts the lines accepted up to now that are not in the spool yet."""
        goal = self._entered
        return lambda: max(0, goal - self._handed_over + self._in_transit)

    def watch_unacknowledged(self) -> Callable[[], int]:
        """Return a function that counts the lines held now that have not left the spool yet."""
        with self._lock:
            goal = self._removed_from_spool + self._dropped_from_queue + self._count_unacknowledged()
        return lambda: max(0, goal - self._removed_from_spool - self._dropped_from_queue)

    def wait_until_zero(self, remaining: Callable[[], int], timeout: float | None) -> int:
        """Wait until `remaining` is 0 or all is finished, at most `timeout` seconds; return `remaining`."""
        with self._lock:
            self._changed.wait_for(lambda: self.is_finished or not remaining(), timeout)
            return remaining()

    def request_wakeup(self, size: int) -> bool:
        """Ask to be woken once `size` bytes are queued; return True if they are already."""
        with self._lock:
            self._wakeup_bytes = _NEVER if self._queued_bytes >= size else size
            return self._queued_bytes >= size

    def take_batch(self) -> list[bytes]:
        """Remove about a block of lines for the spool; then call `sync_with_spool` or `put_back`."""
        with self._lock:
            self._wakeup_bytes = _NEVER
            if self._queued_bytes <= BLOCK_BYTES:
                lines, self._lines = list(self._lines), deque()
                size, self._queued_bytes = self._queued_bytes, 0
            else:
                lines, size = self._pop_block()
            if self._unreported:
                lines.insert(0, drop_notice(self._unreported))
                self._entered += 1
                self._notices += 1
                self._reported_in_transit, self._unreported = self._unreported, 0
            self._in_transit = count_lines(lines) if self._lines else self._entered - self._handed_over
            self._in_transit_bytes = size
            self._handed_over += self._in_transit
            return lines

    def put_back(self, lines: list[bytes]) -> None:
        """Put lines of `take_batch` back that could not be stored in the spool."""
        with self._lock:
            if self._reported_in_transit:
                del lines[0]
                self._entered -= 1
                self._notices -= 1
                self._unreported += self._reported_in_transit
                self._reported_in_transit = 0
            self._lines.extendleft(reversed(lines))
            self._queued_bytes += self._in_transit_bytes
            self._handed_over -= self._in_transit
            self._in_transit = self._in_transit_bytes = 0

    def sync_with_spool(self, spool: Spool) -> None:
        """Update the counts from the spool, and wake those who wait for room or for acks."""
        with self._lock:
            self._in_transit = self._in_transit_bytes = self._reported_in_transit = 0
            self._spooled, self._removed_from_spool = spool.lines, spool.removed
            self._free_bytes = -1 if self.is_closed else self._max_bytes - self._queued_bytes - spool.size
            self._changed.notify_all()

    def _try_add(self, line: bytes, count: int) -> bool:
        if self.is_closed:
            raise ClosedError("the shipper is closed")
        size = len(line) + 1
        if size > self._free_bytes < self._max_bytes and not self._make_room(size, count):
            return False
        if self._refused:
            self._add_drop_notice()
        self._add(line, count)
        return True

    def _make_room(self, size: int, count: int) -> bool:
        """Apply the policy when there is no room; return False if the `count` lines are refused.

        The oldest lines are those in the spool. Lines are dropped here only if the driver does not take them.
        """
        if self._policy is FullPolicy.DROP_NEWEST:
            self._count_dropped(count)
        if self._policy is not FullPolicy.DROP_OLDEST:
            return False
        while self._lines and self._queued_bytes + size > self._max_bytes:
            oldest = self._lines.popleft()
            dropped = count_lines([oldest])
            self._queued_bytes -= len(oldest) + 1
            self._free_bytes += len(oldest) + 1
            self._handed_over += dropped
            self._dropped_from_queue += dropped
            self._unreported += dropped
            self.dropped += dropped
        return True

    def _count_dropped(self, count: int) -> None:
        self.dropped += count
        self._refused += count

    def _add_drop_notice(self) -> None:
        self._add(drop_notice(self._refused))
        self._refused = 0
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
