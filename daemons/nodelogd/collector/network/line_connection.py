"""A connection that sends lines: from reads to whole lines in the arena.

A read goes straight into the arena, behind the unfinished line that the connection had before; one
`rfind` says how much of it is whole lines, and no line is looked at. An unfinished line that grows long
moves to a buffer of its own, which the socket reads into and of which only new bytes are searched: a byte
at a time behind a tail of 1 MB would otherwise cost a copy of that tail each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelog.wire.frames import HEADER_LIMIT, LARGEST_NUMBER
from nodelogd.collector.network.stamp import MAX_STAMP, stamp_lines

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.pipeline.arena import Arena

READ_SIZE = 256 * 1024  # bytes; what one read may bring
STAMPED_READ_SIZE = 16 * 1024  # bytes; every byte of a read may be a line of its own, and get a stamp
FRAME_MARGIN = 64 * 1024  # bytes; what a frame may have beside a line of the longest kind
STAMPED_MAX_DATA = 128 * 1024  # bytes
MAX_TAIL = 16 * 1024  # bytes; an unfinished line up to this length is copied in front of each read


class LineLimits:
    """What `--max-line` and `--stamp` mean for one read, and for the room it needs in an arena."""

    __slots__ = (
        "largest_frame",
        "max_data",
        "max_line",
        "read_size",
        "relp_read_size",
        "room",
        "short",
        "stamp",
    )

    def __init__(self, max_line: int, *, stamp: bool = False) -> None:
        """Choose the size of a read so that no line found in one is longer than `max_line` bytes."""
        self.max_line = max_line
        self.stamp = stamp
        self.short = min(MAX_TAIL, max_line // 4)
        self.relp_read_size = STAMPED_READ_SIZE if stamp else READ_SIZE
        self.read_size = min(self.relp_read_size, max_line - self.short)
        # Of a RELP frame. A stamp may be larger than its line, so with stamps many lines are too many.
        self.max_data = min(max_line + FRAME_MARGIN, STAMPED_MAX_DATA if stamp else LARGEST_NUMBER)
        # What one read completes: a short or a long line, or a frame, that was there before, and all the read
        # brought; of a RELP message every byte may be an LF, which is written as two.
        self.largest_frame = HEADER_LIMIT + self.max_data
        frame = self.largest_frame + self.relp_read_size
        stamps = frame * MAX_STAMP if stamp else 0
        self.room = max(self.short + self.read_size, max_line + 1, 2 * frame) + stamps


class LongLine:
    """An unfinished line in a buffer of its own, `view[:filled]`, that takes twice its bytes at most."""

    __slots__ = ("_data", "_limit", "filled", "view")

    def __init__(self, start: memoryview, limit: int) -> None:
        """Begin with what there is of it."""
        self._limit = limit
        self.filled = 0
        self.view: memoryview
        self._grow_to(len(start))
        self.view[: len(start)] = start
        self.filled = len(start)

    def room(self, size: int) -> memoryview:
        """Give the place for the next bytes, up to `size`; never empty below the limit."""
        if self.filled == len(self._data):
            self._grow_to(self.filled)
        return self.view[self.filled : self.filled + size]

    def take(self, count: int) -> int:
        """Count bytes in that were put there; give the offset behind the last LF in them, or 0."""
        start, self.filled = self.filled, self.filled + count
        return self._data.rfind(b"\n", start, self.filled) + 1

    def _grow_to(self, size: int) -> None:
        data = bytearray(min(2 * size, self._limit))
        view = memoryview(data)
        if self.filled:
            view[: self.filled] = self.view[: self.filled]
        self._data, self.view = data, view


class LineConnection:
    """One connection, as far as its bytes go. `unfinished` is the length of its last line so far, bytes."""

    __slots__ = (
        "_limits",
        "_long",
        "_metrics",
        "_peer",
        "_tail",
        "active",
        "receive_into",
        "sock",
        "unfinished",
    )
    is_plain = True

    def __init__(self, sock: socket.socket, peer: bytes, limits: LineLimits, metrics: Metrics) -> None:
        """Read from a non-blocking socket; `peer` names the peer in stamps."""
        self.sock = sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.active = 0.0  # when it last sent something, by whoever cares
        self.unfinished = 0
        self._peer = peer
        self._limits = limits
        self._metrics = metrics
        self._tail = b""
        self._long: LongLine | None = None

    def receive(self, arena: Arena) -> int:
        """Read once, put whole lines into the arena, which must not be full.

        Gives the number of bytes read, 0 at the end of the stream. Raises OSError as sockets do.
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
            self._keep(view[end or start : stop])
        elif tail:
            self._tail, self.unfinished = b"", 0
        if end:
            arena.end = end
            if self._limits.stamp:
                self._stamp(arena, start)
        return count

    def begin(self, start: bytes) -> None:
        """Have an unfinished line, a short one, from the beginning."""
        self._tail, self.unfinished = start, len(start)

    def finish(self, arena: Arena) -> None:
        """At the end of the stream: a last line without LF gets one. The arena must not be full."""
        if self.unfinished:
            self._end_line(arena)
            self._metrics.added.labels("newline").inc()

    def split(self, arena: Arena) -> None:
        """Write what there is of an unfinished line as a line, to have its memory back."""
        self.finish(arena)
        self._metrics.split_lines.labels("buffer").inc()

    def drop(self, reason: str) -> None:
        """Drop the unfinished line, if there is one: its sender knows that it did not arrive."""
        if self.unfinished:
            self._metrics.dropped_lines.labels(reason).inc()
            self._metrics.dropped.labels(reason).inc(self.unfinished)
            self._forget()

    def _receive_long(self, arena: Arena, line: LongLine) -> int:
        count = self.receive_into(line.room(self._limits.read_size))
        if not count:
            return 0
        limit = self._limits.max_line
        if end := line.take(count):
            self._forget()
            self._put(arena, line.view[:end])
            self._keep(line.view[end : line.filled])
        elif line.filled > limit:
            self._forget()
            self._put(arena, line.view[:limit], b"\n")
            self._keep(line.view[limit : line.filled])
            self._metrics.split_lines.labels("max-line").inc()
            self._metrics.added.labels("newline").inc()
        else:
            self.unfinished = line.filled
        return count

    def _keep(self, rest: memoryview) -> None:
        if len(rest) <= self._limits.short:
            self._tail, self.unfinished = bytes(rest), len(rest)
        else:
            self._long = LongLine(rest, self._limits.max_line + 1)
            self._tail, self.unfinished = b"", len(rest)

    def _end_line(self, arena: Arena) -> None:
        rest = self._long.view[: self._long.filled] if self._long else self._tail
        self._put(arena, rest, b"\n")
        self._forget()

    def _forget(self) -> None:
        self._tail, self._long, self.unfinished = b"", None, 0

    def _put(self, arena: Arena, *pieces: bytes | memoryview) -> None:
        start = arena.end
        arena.add(*pieces)
        if self._limits.stamp:
            self._stamp(arena, start)

    def _stamp(self, arena: Arena, start: int) -> None:
        plain = bytes(arena.view[start : arena.end])
        arena.end = start
        arena.add(stamp_lines(plain, self._peer))
        self._metrics.added.labels("stamp").inc(arena.end - start - len(plain))
