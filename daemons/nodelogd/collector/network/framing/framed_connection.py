"""A connection with a framing other than LF: each message becomes one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodelogd.collector.network.stamp import stamp_lines

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from nodelogd.collector.metrics import Metrics
    from nodelogd.collector.network.framing.decoders import Decoder
    from nodelogd.collector.network.line_connection import LineLimits
    from nodelogd.collector.pipeline.arena import Arena


class FramedConnection:
    """One connection whose messages a decoder finds. LFs in a message are escaped."""

    __slots__ = (
        "_decoder",
        "_limits",
        "_metrics",
        "_peer",
        "last_read",
        "receive_into",
        "sock",
        "unfinished",
    )
    is_plain = True

    def __init__(
        self, sock: socket.socket, peer: bytes, decoder: Decoder, limits: LineLimits, metrics: Metrics
    ) -> None:
        """Read from a non-blocking socket. Stamps show the `peer`."""
        self.sock = sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.last_read = 0.0  # monotonic time; set by the reader
        self.unfinished = 0
        self._peer = peer
        self._decoder = decoder
        self._limits = limits
        self._metrics = metrics

    def receive(self, arena: Arena) -> int:
        """Read once and put the messages into the arena, which must not be full.

        Returns the number of bytes read, 0 at the end of the stream. Raises OSError as sockets do.
        """
        view = arena.view[arena.end : arena.end + self._limits.relp_read_size]
        count = self.receive_into(view)
        if count:
            self.feed(bytes(view[:count]), arena)
        return count

    def feed(self, data: bytes, arena: Arena) -> None:
        """Put the messages of what was read into the arena, which must not be full."""
        pieces = self._decoder.pieces
        messages = self._decoder.feed(data)
        self._metrics.split_lines.labels("max-line").inc(self._decoder.pieces - pieces)
        consumed = self.unfinished + len(data) - self._decoder.pending
        self._metrics.overhead.inc(consumed - sum(map(len, messages)))
        self._add_lines(arena, messages)

    def held(self, size: int) -> bytes:
        """Return the first `size` bytes of the unfinished message."""
        return self._decoder.start()[:size]

    def finish(self, arena: Arena) -> None:
        """Write the unfinished message at the end of the stream. The arena must not be full."""
        if self.unfinished:
            self._add_lines(arena, [self._decoder.take_rest()])

    def split(self, arena: Arena) -> None:
        """Write the unfinished message as a line, to free its memory."""
        self.finish(arena)
        self._metrics.split_lines.labels("buffer").inc()

    def drop_unfinished(self, reason: str) -> None:
        """Drop the unfinished message, if there is one: its sender knows that it did not arrive."""
        if self.unfinished:
            self._metrics.dropped_lines.labels(reason).inc()
            self._metrics.dropped.labels(reason).inc(len(self._decoder.take_rest()))
            self.unfinished = 0

    def _add_lines(self, arena: Arena, messages: list[bytes]) -> None:
        self.unfinished = self._decoder.pending
        if not messages:
            return
        texts = [message.removesuffix(b"\n") for message in messages]
        lines = b"\n".join(texts)
        if lines.count(b"\n") >= len(texts):
            lines = b"\n".join([text.replace(b"\n", b"\\n") for text in texts])
        size = sum(map(len, texts))
        self._metrics.added.labels("escape").inc(len(lines) - size - len(texts) + 1)
        self._metrics.added.labels("newline").inc(size + len(texts) - sum(map(len, messages)))
        self._add_block(arena, lines + b"\n")

    def _add_block(self, arena: Arena, lines: bytes) -> None:
        if self._limits.stamp:
            stamped = stamp_lines(lines, self._peer)
            self._metrics.added.labels("stamp").inc(len(stamped) - len(lines))
            lines = stamped
        arena.add(lines)
