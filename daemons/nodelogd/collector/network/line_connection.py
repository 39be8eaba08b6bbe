"""A connection that sends lines: turns reads into whole lines in the arena.

A read goes straight into the arena, just after the unfinished line of the reads before it. One `rfind`
finds how much of it is whole lines; single lines are never looked at. A long unfinished line moves to a
buffer of its own, which the socket reads into and of which only new bytes are searched. Otherwise a peer
that sends a byte at a time after a tail of 1 MB would cost a copy of that tail per byte.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from nodelog.wire.frames import HEADER_LIMIT, LARGEST_NUMBER
from nodelogd.collector.network.stamp import MAX_STAMP, stamp_in_place

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.pipeline.arena import Arena

READ_SIZE = 256 * 1024  # bytes; the most that one read may bring
STAMPED_READ_SIZE = 16 * 1024  # bytes; with stamps, as every byte of a read may be a line that gets one
FRAME_MARGIN = 64 * 1024  # bytes; how much larger a frame may be than the longest line
STAMPED_MAX_DATA = 128 * 1024  # bytes; the largest frame with stamps
MAX_TAIL = 16 * 1024  # bytes; an unfinished line up to this length is copied before each read


class LineLimits:
    """Sizes that follow from `--max-line` and `--stamp`: of a read, and of what it may add to an arena."""

    __slots__ = (
        "headroom",
        "largest_frame",
        "max_data",
        "max_line",
        "max_tail",
        "read_size",
        "relp_read_size",
        "stamp",
    )

    def __init__(self, max_line: int, *, stamp: bool = False) -> None:
        """Choose the size of a read so that no line found in one is longer than `max_line` bytes."""
        self.max_line = max_line
        self.stamp = stamp
        self.max_tail = min(MAX_TAIL, max_line // 4)
        self.relp_read_size = STAMPED_READ_SIZE if stamp else READ_SIZE
        self.read_size = min(self.relp_read_size, max_line - self.max_tail)
        # Of a RELP frame. Stamps may be larger than their lines, so a stamped frame may not hold many lines.
        self.max_data = min(max_line + FRAME_MARGIN, STAMPED_MAX_DATA if stamp else LARGEST_NUMBER)
        # A read may complete the unfinished tail, long line or frame before it, and adds all that it brought.
        # In a RELP message every byte may be an LF, which is written as two bytes.
        self.largest_frame = HEADER_LIMIT + self.max_data
        frame = self.largest_frame + self.relp_read_size
        stamps = frame * MAX_STAMP if stamp else 0
        self.headroom = max(self.max_tail + self.read_size, max_line + 1, 2 * frame) + stamps


class LongLine:
    """An unfinished line in a buffer of its own, `view[:filled]`. The buffer is at most twice its size."""

    __slots__ = ("_data", "_limit", "filled", "view")

    def __init__(self, start: memoryview, limit: int) -> None:
        """Start with the bytes received so far. The buffer never exceeds `limit` bytes."""
        self._limit = limit
        self.filled = 0
        self.view: memoryview
        self._grow_to(len(start))
        self.view[: len(start)] = start
        self.filled = len(start)

    def free_space(self, size: int) -> memoryview:
        """Return the place for the next bytes, up to `size`. It is never empty below the limit."""
        if self.filled == len(self._data):
            self._grow_to(self.filled)
        return self.view[self.filled : self.filled + size]

    def advance(self, count: int) -> int:
        """Count `count` bytes written to `free_space`; return the offset just after their last LF, or 0."""
        start, self.filled = self.filled, self.filled + count
        return self._data.rfind(b"\n", start, self.filled) + 1

    def _grow_to(self, size: int) -> None:
        data = bytearray(min(2 * size, self._limit))
        view = memoryview(data)
        if self.filled:
            view[: self.filled] = self.view[: self.filled]
        self._data, self.view = data, view


class LineConnection:
    """One connection that sends lines. `unfinished` is the length of its last line so far, bytes."""

    __slots__ = (
        "_limits",
        "_long",
        "_metrics",
        "_peer",
        "_tail",
        "last_read",
        "receive_into",
        "sock",
        "unfinished",
    )
    is_plain = True

    def __init__(self, sock: socket.socket, peer: bytes, limits: LineLimits, metrics: Metrics) -> None:
        """Read from a non-blocking socket. Stamps show the `peer`."""
        self.sock = sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.last_read = 0.0  # monotonic time; set by the reader
        self.unfinished = 0
        self._peer = peer
        self._limits = limits
        self._metrics = metrics
        self._tail = b""
        self._long: LongLine | None = None

    def receive(self, arena: Arena) -> int:
        """Read once and put whole lines into the arena, which must not be full.

        Returns the number of bytes read, 0 at the end of the stream. Raises OSError as sockets do.
        """
        if self._long:
            return self._receive_long(arena, self._long)
        tail = self._tail
        view = arena.view
        start = arena.end
        at = start + len(tail)
        count = self.receive_into(view[at : at + self._limits.read_size])
        if not count:
            return 0
        if tail:
            view[start:at] = tail
        stop = at + count
        end = arena.last_line_end(at, stop)
        if end != stop:
            self._keep_unfinished(view[end or start : stop])
        elif tail:
            self._tail, self.unfinished = b"", 0
        if end:
            arena.end = end
            if self._limits.stamp:
                self._stamp(arena, start)
        return count

    def held(self, size: int) -> bytes:
        """Return the first `size` bytes of the unfinished line."""
        line = self._long.view[: self._long.filled] if self._long else self._tail
        return bytes(line[:size])

    def feed(self, data: bytes, arena: Arena) -> None:
        """Process what was read elsewhere, no more than one read brings, as if `receive` had read it."""
        self.receive_into = BytesIO(data).readinto
        self.receive(arena)
        self.receive_into = self.sock.recv_into

    def set_tail(self, tail: bytes) -> None:
        """Replace the unfinished line by a short one that was read elsewhere."""
        self._tail, self.unfinished = tail, len(tail)

    def finish(self, arena: Arena) -> None:
        """Write the last line at the end of the stream, with an LF if it has none.

        The arena must not be full.
        """
        if self.unfinished:
            self._end_line(arena)
            self._metrics.added.labels("newline").inc()

    def split(self, arena: Arena) -> None:
        """Write the unfinished line as a line, to free its memory."""
        self.finish(arena)
        self._metrics.split_lines.labels("buffer").inc()

    def drop_unfinished(self, reason: str) -> None:
        """Drop the unfinished line, if there is one: its sender knows that it did not arrive."""
        if self.unfinished:
            self._metrics.dropped_lines.labels(reason).inc()
            self._metrics.dropped.labels(reason).inc(self.unfinished)
            self._clear_unfinished()

    def _receive_long(self, arena: Arena, line: LongLine) -> int:
        count = self.receive_into(line.free_space(self._limits.read_size))
        if not count:
            return 0
        limit = self._limits.max_line
        if end := line.advance(count):
            self._clear_unfinished()
            self._add_line(arena, line.view[:end])
            self._keep_unfinished(line.view[end : line.filled])
        elif line.filled > limit:
            self._clear_unfinished()
            self._add_line(arena, line.view[:limit], b"\n")
            self._keep_unfinished(line.view[limit : line.filled])
            self._metrics.split_lines.labels("max-line").inc()
            self._metrics.added.labels("newline").inc()
        else:
            self.unfinished = line.filled
        return count

    def _keep_unfinished(self, rest: memoryview) -> None:
        if len(rest) <= self._limits.max_tail:
            self._tail, self.unfinished = bytes(rest), len(rest)
        else:
            self._long = LongLine(rest, self._limits.max_line + 1)
            self._tail, self.unfinished = b"", len(rest)

    def _clear_unfinished(self) -> None:
        self._tail, self._long, self.unfinished = b"", None, 0

    def _end_line(self, arena: Arena) -> None:
        rest = self._long.view[: self._long.filled] if self._long else self._tail
        self._add_line(arena, rest, b"\n")
        self._clear_unfinished()

    def _add_line(self, arena: Arena, *pieces: bytes | memoryview) -> None:
        start = arena.end
        arena.add(*pieces)
        if self._limits.stamp:
            self._stamp(arena, start)

    def _stamp(self, arena: Arena, start: int) -> None:
        self._metrics.added.labels("stamp").inc(stamp_in_place(arena, start, self._peer))
