"""One writer per log: a lock that dies with its holder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

POLL = 0.05  # seconds


class LockedError(Exception):
    """Another process writes this log; the message names it."""


@asynccontextmanager
async def locked(
    path: Path, patience: float, stop: asyncio.Event, on_wait: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Hold the lock; wait `patience` seconds for another holder to go, whom `on_wait` is told of.

    Raises LockedError if it does not go, or `stop` is set meanwhile, and OSError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        end = time.monotonic() + patience
        waiting = False
        while not _try(fd):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "an unknown process"
            if stop.is_set() or time.monotonic() >= end:
                raise LockedError(f"{path} is held by {holder}; end it, or choose another --log")
            if not waiting:
                waiting = True
                on_wait(holder)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL)
        with suppress(OSError):  # on a full disk we go without a name
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
