"""Standard output for what went through: as it is, at once, and gone without harm if its reader is."""

from __future__ import annotations

import os
import select
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelog.commands.stopping import Stop


class Tee:
    """Writes to `fd` until that fails, which it tells once."""

    def __init__(self, fd: int, stop: Stop, tell: Callable[[str], None]) -> None:
        self._fd = fd
        self._stop = stop
        self._tell = tell
        self._is_broken = False

    def write(self, data: bytes) -> None:
        """Write all of it, however slow its reader is; the second signal ends that too."""
        rest = memoryview(data)
        while rest and not self._is_broken:
            size = self._stop.interrupts(partial(self._write, rest))
            self._is_broken = not size
            rest = rest[size:]

    def _write(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # a terminal that another program made so
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()
            except OSError as error:
                self._tell(f"standard output: {error.strerror}; lines still go to the collector")
                return 0
