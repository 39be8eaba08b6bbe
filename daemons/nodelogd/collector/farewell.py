"""The end of the connections when the daemon stops, so that as few lines as possible go into nothing.

A client that does not look for our FIN writes its next line "successfully" into a closed connection and
loses it. So those that do not leave by themselves are read until nothing is left and reset at once: their
next write fails, and they know. Between the last read and the reset is nothing, above all no turn of the
loop and no write to disk: with 2 ms in between, 350 of 400 connections lost a line, without 0 or 1.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodelogd.collector.intake import Intake

log = logging.getLogger(__name__)

LAST_BYTES = 8 * 1024 * 1024  # read from one connection before its reset, at most
LAST_SECONDS = 0.05  # the same, as time
AT_ONCE = 256 * 1024  # bytes per read


async def farewell(intake: Intake, linger: float) -> None:
    """End all connections: those that leave within `linger` seconds in peace, the others by a reset."""
    for connection in intake.connections.values():
        with suppress(OSError):  # its peer may have reset it a moment ago
            connection.sock.shutdown(socket.SHUT_WR)
    if intake.connections:
        with suppress(TimeoutError):
            async with asyncio.timeout(linger):
                await intake.emptied.wait()
    late = intake.detach_all()
    try:
        for connection in late:
            await intake.take_rest(connection, _read_and_reset(connection.sock))
    finally:
        for connection in late:  # out of time: the disk is stuck
            connection.sock.close()
    if late:
        log.info("%d connections that stayed open were reset", len(late))
    await intake.flush()


def _read_and_reset(sock: socket.socket) -> bytes:
    """Take what a connection still holds, and reset it in the same breath, for which it was prepared."""
    pieces: list[bytes] = []
    size, end = 0, time.monotonic() + LAST_SECONDS
    with suppress(OSError):
        while size < LAST_BYTES and time.monotonic() < end and (piece := sock.recv(AT_ONCE)):
            pieces.append(piece)
            size += len(piece)
    sock.close()
    return b"".join(pieces)
