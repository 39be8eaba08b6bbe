"""The thread that moves the command's output into the spool, and to our own output with `--tee`."""

from __future__ import annotations

import math
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Final

from nodelog.commands.multiline.record_joiner import to_lines
from nodelog.commands.stdio.line_assembly import LineAssembler
from nodelog.commands.stdio.stdin import bytes_in_pipe
from nodelog.shipping.line_splitting import split_into_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nodelog.commands.multiline.record_joiner import RecordJoiner
    from nodelog.commands.stdio.tee import Tee
    from nodelog.commands.supervision.spool_writer import SpoolWriter

_READ: Final = 64 * 1024
_LEFTOVER_SECONDS: Final = 1.0
"""Seconds after the command's end in which processes that it left may still write."""


class OutputStream:
    """One of the command's two streams: its bytes become lines, and these records."""

    def __init__(self, fd: int, writer: SpoolWriter, joiner: RecordJoiner | None, tee: Tee | None) -> None:
        self.fd = fd
        self._lines = LineAssembler()
        self._writer = writer
        self._joiner = joiner
        self._tee = tee

    @property
    def deadline(self) -> float:
        """When `expire` has something to do; a monotonic time."""
        return self._joiner.deadline if self._joiner else math.inf

    def read(self, size: int = _READ) -> bool:
        """Read once and send the lines; return False at the end of the stream."""
        data = os.read(self.fd, size)
        for lines in self._lines.feed(data) if data else ():
            self._accept(lines)
        return bool(data)

    def read_what_is_there(self) -> None:
        """Read what the pipe holds now, without waiting for more."""
        left = bytes_in_pipe(self.fd)
        while left > 0:
            size = min(left, _READ)
            left -= size
            self.read(size)

    @property
    def has_ended(self) -> bool:
        """Whether all has been read, and nobody can write any more."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return [event for _, event in poll.poll(0)] == [select.POLLHUP]

    def expire(self) -> None:
        """Send a record that has waited long enough for its next line."""
        if self._joiner:
            self._send_records(self._joiner.expire(time.monotonic()))

    def finish(self) -> None:
        """Send what is left of lines and records."""
        if rest := self._lines.finish():
            self._accept(rest)
        if self._joiner:
            self._send_records(self._joiner.finish())
        os.close(self.fd)

    def _accept(self, lines: bytes) -> None:
        if self._joiner is None:
            self._send([lines], lines)
        else:
            self._send_records(self._joiner.feed(lines, time.monotonic()))

    def _send_records(self, records: list[bytes]) -> None:
        if records:
            self._send(split_into_batches(to_lines(records)), b"".join(records))

    def _send(self, batches: Iterable[bytes], printed: bytes) -> None:
        for batch in batches:
            self._writer.send(batch)
        if self._tee:
            self._writer.keep()
            self._tee.write(printed)


class CommandOutput:
    """Moves the streams' lines until both have ended, or until shortly after the command has."""

    def __init__(
        self,
        streams: Sequence[OutputStream],
        *,
        gives_up: Callable[[], bool],
        on_message: Callable[[str], None],
    ) -> None:
        self._streams = list(streams)
        self._gives_up = gives_up
        self._on_message = on_message
        self._end = math.inf
        self._ended, self._end_signal = os.pipe()
        self._poll = select.poll()
        for fd in (self._ended, *(stream.fd for stream in streams)):
            self._poll.register(fd, select.POLLIN)
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def command_ended(self) -> None:
        """Read on only shortly: what still has the streams open may never end."""
        os.close(self._end_signal)

    def wait(self, seconds: float) -> int:
        """Wait up to `seconds` for the thread; return whether it is still at work."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def _run(self) -> None:
        while self._streams and time.monotonic() < self._end and not self._gives_up():
            self._turn()
        if self._streams:
            self._leave_the_rest()

    def _turn(self) -> None:
        ready = {fd for fd, _ in self._poll.poll(self._milliseconds())}
        if self._ended in ready:
            self._poll.unregister(self._ended)
            self._end = time.monotonic() + _LEFTOVER_SECONDS
        for stream in list(self._streams):
            if stream.fd in ready and not stream.read():
                self._poll.unregister(stream.fd)
                self._streams.remove(stream)
                stream.finish()
            else:
                stream.expire()

    def _milliseconds(self) -> int | None:
        """Return how long to wait for output; None if nothing else is due."""
        due = min(self._end, *(stream.deadline for stream in self._streams))
        return None if due == math.inf else math.ceil(max(0.0, due - time.monotonic()) * 1000)

    def _leave_the_rest(self) -> None:
        is_open = False
        for stream in self._streams:
            stream.read_what_is_there()
            is_open |= not stream.has_ended
            stream.finish()
        if is_open:
            self._on_message(
                "the command has ended, but processes that it left behind have its output open;"
                " what they write from now on is not sent"
            )
