"""Standard output for what went through: as it is, at once, and gone without harm if its reader is."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from nodelog.commands.stop_signals import STEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.commands.stop_signals import Stop


class Tee:
    """Writes to `fd` until that fails, which it tells once."""

    def __init__(self, fd: int, stop: Stop, tell: Callable[[str], None]) -> None:
        self._fd = fd
        self._stop = stop
        self._tell = tell
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._is_broken = False

    def write(self, data: bytes) -> None:
        """Write all of it, however slow its reader is; the second signal ends that too."""
        rest = memoryview(data)
        while rest and not self._is_broken:
            try:
                rest = rest[self._write(rest) :]
            except OSError as error:
                self._is_broken = True
                self._tell(f"standard output: {error.strerror}; lines still go to the collector")

    def _write(self, data: memoryview) -> int:
        """Write as much as cannot block, once that is possible."""
        if self._poll.poll(STEP * 1000):
            return os.write(self._fd, data[: select.PIPE_BUF])
        self._is_broken = self._stop.times > 1
        return 0
