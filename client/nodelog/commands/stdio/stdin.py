"""Standard input as runs of whole lines: as many as have come, and at once what has come alone."""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
import termios
from typing import TYPE_CHECKING, Final

from nodelog.shipping.line_splitting import MAX_LINE_BYTES, split_into_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelog.commands.stop_signals import Stop

_READ: Final = 64 * 1024


class Input:
    """What can be read from `fd` until it ends, or `stop` is told; what is in a pipe then is still read.

    Lines are what lies between LFs, whatever it is. A last line without LF gets one, a line of more than
    1 MiB becomes several. Raises OSError.
    """

    def __init__(self, fd: int, stop: Stop) -> None:
        self._fd = fd
        self._stop = stop
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(stop, select.POLLIN)
        self._last: int | None = None  # bytes that are still to be read, once told to stop
        self._rest = bytearray()  # of a line that is not there in whole

    def runs(self) -> Iterator[bytes]:
        """Yield whole lines, each with its LF, 64 KiB of them at the most or a longer line."""
        while data := self._read():
            yield from self._whole(data)
        if self._rest:
            yield bytes(self._rest) + b"\n"

    def _read(self) -> bytes:
        while True:
            if self._last is None and self._stop.fileno() in [number for number, _ in self._poll.poll()]:
                self._last = _in_pipe(self._fd)
            try:
                data = os.read(self._fd, _READ if self._last is None else min(_READ, self._last))
            except BlockingIOError:  # somebody else made it so, and read what was there
                if self._last is None:
                    continue
                return b""
            if self._last is not None:
                self._last -= len(data)
            return data

    def _whole(self, data: bytes) -> Iterator[bytes]:
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            while len(self._rest) > MAX_LINE_BYTES:
                yield bytes(self._rest[:MAX_LINE_BYTES]) + b"\n"
                del self._rest[:MAX_LINE_BYTES]
            return
        whole = b"".join((self._rest, memoryview(data)[:end]))
        self._rest = bytearray(data[end:])
        yield from split_into_batches(whole)


def _in_pipe(fd: int) -> int:
    """Give the bytes that somebody has written successfully and nobody has read."""
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return 0
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
