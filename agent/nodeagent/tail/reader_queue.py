"""The bounded queue between the log and one reader of `/tail`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

QUEUE_SIZE: Final = 512 * 1024
"""Bytes that wait for a reader, as encoded; polled every 0.25 s, that limits a reader to 2 MiB/s."""
EVENT_RESERVE: Final = 1024
"""Bytes of QUEUE_SIZE for events other than lines."""
HEARTBEAT: Final = 15.0
"""Seconds after which a comment is sent, so that a reader that is gone is noticed."""


class ReaderQueue:
    """The events that wait to be sent to one reader, and those being sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def room(self) -> int:
        """Bytes of lines that still fit; never below 0."""
        return max(0, QUEUE_SIZE - EVENT_RESERVE - self._size)

    def put(self, piece: bytes) -> None:
        """Append an encoded event."""
        self._pieces.append(piece)
        self._size += len(piece)
        self._changed.set()

    def close(self) -> None:
        """Mark the end: nothing more will be put, or nothing more can be sent."""
        self._closed.set()
        self._changed.set()

    async def wait_closed(self, timeout: float) -> bool:  # noqa: ASYNC109 (its end is no error)
        """Wait until the queue is closed, for at most `timeout` seconds; return whether it is closed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), timeout)
        return self._closed.is_set()

    async def get(self) -> bytes:
        """Wait for events and return all of them, or a comment after HEARTBEAT seconds without any.

        Empty bytes mean that the queue is closed. The call implies that the previous bytes were sent.
        """
        self._size = sum(map(len, self._pieces))
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._changed.wait()
        except TimeoutError:
            return b":\n\n"
        pieces, self._pieces = self._pieces, []
        if not self._closed.is_set():
            self._changed.clear()
        return b"".join(pieces)
