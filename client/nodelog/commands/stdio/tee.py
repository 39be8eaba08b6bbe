"""A copy of the accepted lines on standard output; a reader that goes away does no harm."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from nodelog.commands.stop_signals import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable


class Tee:
    """Writes to `fd` until that fails, which it reports once through `on_message`.

    While the reader is slow, it asks `gives_up` whether to stop writing for good.
    """

    def __init__(
        self, fd: int, name: str, *, gives_up: Callable[[], bool], on_message: Callable[[str], None]
    ) -> None:
        self._fd = fd
        self._name = name
        self._gives_up = gives_up
        self._on_message = on_message
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._is_broken = False

    def write(self, data: bytes) -> None:
        """Write all of `data`, however slow the reader is, unless `gives_up` ends the wait."""
        rest = memoryview(data)
        while rest and not self._is_broken:
            try:
                rest = rest[self._write(rest) :]
            except OSError as error:
                self._is_broken = True
                self._on_message(f"{self._name}: {error.strerror}; lines still go to the collector")

    def _write(self, data: memoryview) -> int:
        """Write as much as cannot block, once that is possible."""
        if self._poll.poll(POLL_SECONDS * 1000):
            return os.write(self._fd, data[: select.PIPE_BUF])
        self._is_broken = self._gives_up()
        return 0
