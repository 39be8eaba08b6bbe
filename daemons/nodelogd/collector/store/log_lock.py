"""One writer per log: a lock that ends with its holder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from nodelogd.collector.store.transient_errors import RETRY_INTERVAL, is_transient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_INTERVAL = 0.05  # seconds


class LockedError(Exception):
    """Another process writes this log; the message names it."""


async def acquire_lock(
    path: Path, patience: float, stop: asyncio.Event, on_wait: Callable[[str], None]
) -> int:
    """Acquire the lock; wait up to `patience` seconds for another holder, and without limit for the disk.

    The lock is held until the returned descriptor is closed or the process has ended completely, even if a
    part of it hangs. `on_wait` gets a message that says what is waited for. Raises LockedError if the other
    holder does not end in time, OSError for what only an operator can fix, and one of both if `stop` is set
    meanwhile.
    """
    fd = await _open(path, stop, on_wait)
    try:
        end = time.monotonic() + patience
        waiting = False
        while not _try_lock(fd):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "an unknown process"
            if stop.is_set() or time.monotonic() >= end:
                raise LockedError(f"{path} is held by {holder}; end it, or choose another --log")  # noqa: TRY301 (the descriptor is closed below)
            if not waiting:
                waiting = True
                on_wait(f"{path} is held by {holder}; waiting {patience:g} s for it to end")
            await _sleep(stop, POLL_INTERVAL)
    except BaseException:
        os.close(fd)
        raise
    # In a thread, like every write: it blocks on a disk that hangs, and the event loop must not.
    await asyncio.to_thread(_write_holder, fd)
    return fd


async def _open(path: Path, stop: asyncio.Event, on_wait: Callable[[str], None]) -> int:
    last_message = ""
    while True:
        try:
            return await asyncio.to_thread(os.open, path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            if stop.is_set() or not is_transient(error):
                raise
            text = f"cannot open {path}: {error.strerror}; retrying every {RETRY_INTERVAL:.0f} s"
            if text != last_message:
                last_message = text
                on_wait(text)
        await _sleep(stop, RETRY_INTERVAL)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _write_holder(fd: int) -> None:
    """Write which process holds the lock."""
    with suppress(OSError):  # on a full disk the holder stays unnamed
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
