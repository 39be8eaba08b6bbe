"""Standard input in batches of whole lines: as many as have arrived, and a single line at once."""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
import termios
from typing import TYPE_CHECKING, Final

from nodelog.commands.stdio.line_assembly import LineAssembler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodelog.commands.stop_signals import StopSignals

_READ: Final = 64 * 1024


class StdinReader:
    """Reads `fd` until it ends or a stop signal arrives; what is in a pipe at that moment is still read.

    A line is whatever stands between LFs. A last line without LF gets one; a line of more than 1 MiB becomes
    several. Raises OSError.
    """

    def __init__(self, fd: int, stop: StopSignals) -> None:
        self._fd = fd
        self._stop = stop
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(stop, select.POLLIN)
        self._left: int | None = None  # bytes still to be read after a stop signal
        self._lines = LineAssembler()

    def batches(self) -> Iterator[bytes]:
        """Yield whole lines, each with its LF, in batches of at most 64 KiB or one longer line."""
        while data := self._read():
            yield from self._lines.feed(data)
        if rest := self._lines.finish():
            yield rest

    def _read(self) -> bytes:
        while True:
            if self._left is None and self._stop.fileno() in [number for number, _ in self._poll.poll()]:
                self._left = bytes_in_pipe(self._fd)
            try:
                data = os.read(self._fd, _READ if self._left is None else min(_READ, self._left))
            except BlockingIOError:  # another process made the pipe non-blocking and read what was in it
                if self._left is None:
                    continue
                return b""
            if self._left is not None:
                self._left -= len(data)
            return data


def bytes_in_pipe(fd: int) -> int:
    """Return the number of bytes that were written into a pipe or socket and not read yet, else 0."""
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return 0
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
