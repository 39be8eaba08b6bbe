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

from nodelog.spool.blocks import BLOCK_BYTES, dropped, lines_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.spool.memory_spool import Spool

_NEVER: Final = float("inf")


class Full(Enum):
    """What to do with a line when there is no room for it."""

    BLOCK = "block"
    """Wait until there is, as long as the caller allows."""
    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"


class Intake:
    """Takes lines until `most` bytes are held, here and in the spool.

    `wake` is called when lines are waited for. A line that is larger than all of `most` is taken if nothing
    else is held.
    """

    def __init__(self, most: int, full: Full, wake: Callable[[], None]) -> None:
        self.dropped = 0
        """Lines that were dropped here, without coming into the spool."""
        self._most = most
        self._full = full
        self._wake = wake
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # in them
        self._room = most  # bytes that may still come
        self._entered = 0  # lines that were ever in them
        self._handed = 0  # of them, those that are in them no more
        self._ours = 0  # of them, those that tell of others
        self._wanted = _NEVER  # bytes in them at which to wake
        self._taken = self._taken_bytes = 0  # on their way into the spool
        self._spooled = 0  # lines in it
        self._gone = 0  # lines that were in the spool
        self._removed = 0  # lines that were dropped after they had been taken in
        self._untold = 0  # lines that were not taken in, and the stream does not tell of yet
        self._cut = 0  # the same, but from before the first of `_lines`
        self._telling = 0  # of these, with the lines that are on their way
        self.is_closed = False
        self.is_over = False
        """True once nothing that is left here will go anywhere."""
        # Reentrant: a signal handler may send a line while its own thread is in here.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    @property
    def left(self) -> int:
        """How many lines no collector has acknowledged yet."""
        with self._lock:
            return self._left()

    @property
    def sent(self) -> int:
        """How many lines were taken in."""
        return self._entered - self._ours

    def offer(self, line: bytes, count: int = 1) -> bool:
        """Take a line without its LF, or a Run of `count`, if there is room or can be made.

        Raises ValueError when closed.
        """
        size = len(line) + 1
        with self._lock:
            if size > self._room or self._untold:
                if not self._admit(line, count):
                    return False
            else:  # the same as in _add: a caller pays for each call of a function
                self._lines.append(line)
                self._bytes += size
                self._room -= size
                self._entered += count
            if self._bytes < self._wanted:
                return True
            self._wanted = _NEVER
        self._wake()
        return True

    def wait_for_room(self, line: bytes, timeout: float | None, count: int = 1) -> bool:
        """Take what `offer` refused once there is room; False if there is none within `timeout` seconds.

        Raises ValueError when closed.
        """
        if self._full is not Full.BLOCK or timeout == 0:
            return False
        with self._changed:
            taken = self._changed.wait_for(lambda: self._admit(line, count), timeout)
        self._wake()
        return taken

    def refuse(self, count: int = 1) -> None:
        """Count lines that were not taken in time and are given up; a policy that drops has done so."""
        if self._full is Full.BLOCK:
            with self._lock:
                self._miss(count)

    def close(self) -> None:
        """Take no more lines."""
        with self._changed:
            if self._untold:
                self._tell()
            self.is_closed = True
            self._room = -1
            self._changed.notify_all()
        self._wake()

    def watch_kept(self) -> Callable[[], int]:
        """Give a function that tells how many of the lines up to now are not in the spool yet."""
        goal = self._entered
        return lambda: max(0, goal - self._handed + self._taken)

    def watch_gone(self) -> Callable[[], int]:
        """Give a function that tells how many of the lines up to now have not left the spool yet."""
        with self._lock:
            goal = self._gone + self._removed + self._left()
        return lambda: max(0, goal - self._gone - self._removed)

    def wait(self, remaining: Callable[[], int], timeout: float | None) -> int:
        """Wait until nothing remains of what is watched, all is over, or `timeout` seconds; give the rest."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_over or not remaining(), timeout)
            return remaining()

    def wake_at(self, wanted: int) -> bool:
        """Ask to be woken when so many bytes are here; True if they are."""
        with self._lock:
            self._wanted = _NEVER if self._bytes >= wanted else wanted
            return self._bytes >= wanted

    def take(self) -> list[bytes]:
        """Give the lines that go into the spool next, a block or so; then `settle`, or `give_back`."""
        with self._lock:
            self._wanted = _NEVER
            if self._bytes <= BLOCK_BYTES:
                lines, self._lines = list(self._lines), deque()
                size, self._bytes = self._bytes, 0
            else:
                lines, size = self._some()
            if self._cut:
                lines.insert(0, dropped(self._cut))
                self._entered += 1
                self._ours += 1
                self._telling, self._cut = self._cut, 0
            self._taken = lines_in(lines) if self._lines else self._entered - self._handed
            self._taken_bytes = size
            self._handed += self._taken
            return lines

    def give_back(self, lines: list[bytes]) -> None:
        """Keep lines here that could not be put into the spool."""
        with self._lock:
            if self._telling:
                del lines[0]
                self._entered -= 1
                self._ours -= 1
                self._cut, self._telling = self._cut + self._telling, 0
            self._lines.extendleft(reversed(lines))
            self._bytes += self._taken_bytes
            self._handed -= self._taken
            self._taken = self._taken_bytes = 0

    def settle(self, spool: Spool) -> None:
        """Take note of what is in the spool now, and of what has left it; those who wait for it are told."""
        with self._changed:
            self._taken = self._taken_bytes = self._telling = 0
            self._spooled, self._gone = spool.lines, spool.gone
            self._room = -1 if self.is_closed else self._most - self._bytes - spool.size
            self._changed.notify_all()

    def _admit(self, line: bytes, count: int) -> bool:
        if self.is_closed:
            raise ValueError("the shipper is closed")
        size = len(line) + 1
        if size > self._room < self._most and not self._make_room(size, count):
            return False
        if self._untold:
            self._tell()
        self._add(line, count)
        return True

    def _make_room(self, size: int, count: int) -> bool:
        """Do what is to be done when all is full; False if the `count` lines stay outside.

        The oldest lines are those in the spool. These here are dropped only if nobody takes them over.
        """
        if self._full is Full.DROP_NEWEST:
            self._miss(count)
        if self._full is not Full.DROP_OLDEST:
            return False
        while self._lines and self._bytes + size > self._most:
            oldest = self._lines.popleft()
            removed = lines_in([oldest])
            self._bytes -= len(oldest) + 1
            self._room += len(oldest) + 1
            self._handed += removed
            self._removed += removed
            self._cut += removed
            self.dropped += removed
        return True

    def _miss(self, count: int) -> None:
        self.dropped += count
        self._untold += count

    def _tell(self) -> None:
        self._add(dropped(self._untold))
        self._untold = 0
        self._ours += 1

    def _add(self, line: bytes, count: int = 1) -> None:
        size = len(line) + 1
        self._lines.append(line)
        self._bytes += size
        self._room -= size
        self._entered += count

    def _some(self) -> tuple[list[bytes], int]:
        lines: list[bytes] = []
        size = 0
        while size < BLOCK_BYTES and self._lines:
            line = self._lines.popleft()
            lines.append(line)
            size += len(line) + 1
        self._bytes -= size
        return lines, size

    def _left(self) -> int:
        return self._entered - self._handed + self._taken + self._spooled
