"""One writer per log: a lock that dies with its holder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.collector.store.file_operations import RETRY, is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL = 0.05  # seconds


class LockedError(Exception):
    """Another process writes this log; the message names it."""


async def locked(path: Path, patience: float, stop: asyncio.Event, on_wait: Callable[[str], None]) -> int:
    """Take the lock; wait `patience` seconds for another holder to go, and as long as it takes for a disk.

    It is held until the descriptor that is given is closed, or the process has ended, whatever of it hangs.
    `on_wait` is told what is waited for. Raises LockedError if the holder does not go, OSError for what only
    an operator can mend, and one of them if `stop` is set meanwhile.
    """
    fd = await _opened(path, stop, on_wait)
    try:
        end = time.monotonic() + patience
        waiting = False
        while not _try(fd):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "an unknown process"
            if stop.is_set() or time.monotonic() >= end:
                raise LockedError(f"{path} is held by {holder}; end it, or choose another --log")  # noqa: TRY301 (the descriptor is closed below)
            if not waiting:
                waiting = True
                on_wait(f"{path} is held by {holder}; waiting {patience:g} s for it to end")
            await _pause(stop, POLL)
    except BaseException:
        os.close(fd)
        raise
    # In a thread, as every write: on a disk that hangs it waits, and the loop is not to wait with it.
    await asyncio.to_thread(_sign, fd)
    return fd


async def _opened(path: Path, stop: asyncio.Event, on_wait: Callable[[str], None]) -> int:
    said = ""
    while True:
        try:
            return await asyncio.to_thread(os.open, path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            if stop.is_set() or not is_temporary(error):
                raise
            text = f"cannot open {path}: {error.strerror}; retrying every {RETRY:.0f} s"
            if text != said:
                said = text
                on_wait(text)
        await _pause(stop, RETRY)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _sign(fd: int) -> None:
    """Leave word who holds the lock."""
    with suppress(OSError):  # on a full disk we go without a name
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
