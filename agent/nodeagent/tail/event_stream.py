"""`GET /tail`: the log as it grows, as server-sent events, for whoever has the token.

Lines are JSON strings: text, whatever is in them, and never a part of the protocol or of a page. Parameters:
`lines` (how many of the last ones to begin with) and `filter` (only lines with this text in them).

    event: lines      data: ["…", "…"]
    event: skipped    data: {"bytes": 1048576}
    event: truncated  data: {}
    event: failed     data: {"why": "…"}

A reader who is slower than the log skips, and is told how much: between the log and him there are never more
than OUTBOX bytes, as they are sent, and the buffers of the connection.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import aiofiles
from aiohttp import web

from nodeagent.tail.log_follower import Follower, Lines, Skipped, Truncated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodeagent.metrics import Metrics
    from nodeagent.tail.log_follower import Event

LOG: Final = logging.getLogger(__name__)
LOOK_EVERY: Final = 0.25  # seconds
OUTBOX: Final = 512 * 1024
"""Bytes that wait for a reader; so he gets 2 MiB a second at the most."""
NOTES: Final = 1024
"""Of them, for what is said of the log beside its lines."""
READERS: Final = 4
MOST_LINES: Final = 1000
BEAT: Final = 15.0
"""Seconds after which something is sent, so that a reader who is gone is noticed."""
STUCK: Final = 60.0
"""Seconds after which a reader who takes nothing is cut off."""
TOKEN: Final = 4096
"""Bytes of a token."""
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Outbox:
    """What waits to be sent to one reader, and what is being sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._news = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def room(self) -> int:
        """Bytes of lines that it still takes; not less than none."""
        return max(0, OUTBOX - NOTES - self._size)

    def put(self, piece: bytes) -> None:
        """Add an event."""
        self._pieces.append(piece)
        self._size += len(piece)
        self._news.set()

    def close(self) -> None:
        """Add nothing more."""
        self._closed.set()
        self._news.set()

    async def closed(self, within: float) -> bool:
        """Wait so many seconds; tell whether it is closed, as soon as it is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), within)
        return self._closed.is_set()

    async def take(self) -> bytes:
        """Give all there is, once there is something; a comment if there is nothing for long.

        Nothing at all means that it is closed. What was given before has been sent.
        """
        self._size = sum(map(len, self._pieces))
        try:
            async with asyncio.timeout(BEAT):
                await self._news.wait()
        except TimeoutError:
            return b":\n\n"
        pieces, self._pieces = self._pieces, []
        if not self._closed.is_set():
            self._news.clear()
        return b"".join(pieces)


class Tail:
    """The readers of one log."""

    def __init__(self, log: Path, token: Path, metrics: Metrics) -> None:
        self._log = log
        self._token = token
        self._metrics = metrics
        self._readers = 0

    def application(self) -> web.Application:
        """Make the application; it knows nothing of sockets."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/tail", self._tail)
        return app

    async def _tail(self, request: web.Request) -> web.StreamResponse:
        await self._check(request)
        lines, wanted = parameters(request.query)
        if self._readers >= READERS:
            raise web.HTTPServiceUnavailable(text=f"{READERS} others read already\n")
        self._readers += 1
        self._metrics.tails.set(self._readers)
        try:
            return await self._send(request, lines, wanted)
        finally:
            self._readers -= 1
            self._metrics.tails.set(self._readers)

    async def _check(self, request: web.Request) -> None:
        """Let nobody through without the token, which is read each time: it may be changed."""
        try:
            async with aiofiles.open(self._token, "rb") as file:
                token = (await file.read(TOKEN)).strip()
        except OSError as error:
            LOG.warning("cannot read %s: %s; /tail is closed to everybody", self._token, error.strerror)
            token = b""
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not token or not hmac.compare_digest(given, b"Bearer " + token):
            raise web.HTTPUnauthorized(text="the token is wrong\n", headers={"WWW-Authenticate": "Bearer"})

    async def _send(self, request: web.Request, lines: int, wanted: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        outbox = Outbox()
        # It is told to end, not cancelled: a thread may be reading for it, and must not find its file closed.
        following = asyncio.create_task(self._follow(outbox, lines, wanted))
        try:
            while piece := await outbox.take():
                async with asyncio.timeout(STUCK):
                    await response.write(piece)
        except (ConnectionError, TimeoutError):
            pass  # the reader has left, or takes nothing
        finally:
            outbox.close()
            await asyncio.wait({following})
        return response

    async def _follow(self, outbox: Outbox, lines: int, wanted: bytes) -> None:
        """Put what comes into the outbox, as far as there is room, until the log cannot be read."""
        try:
            async with Follower(self._log) as follower:
                await follower.begin(lines)
                is_over = False
                while not is_over:
                    for event in await follower.step(outbox.room):
                        piece, skipped = encoded(event, wanted, outbox.room)
                        self._metrics.skipped.inc(skipped)
                        if piece:
                            outbox.put(piece)
                    is_over = await outbox.closed(LOOK_EVERY)
        except OSError as error:
            why = f"cannot read {self._log}: {error.strerror}"
            outbox.put(_sent("failed", json.dumps({"why": why})))
        finally:
            outbox.close()


def encoded(event: Event, wanted: bytes, room: int) -> tuple[bytes, int]:
    """Give the event as it is sent, nothing if no line is wanted, and how many bytes of the log it skips."""
    match event:
        case Lines(lines):
            texts, skipped = fitted(lines, wanted, room)
            found = _sent("lines", f"[{', '.join(texts)}]") if texts else b""
            return (_told(skipped) if skipped else b"") + found, skipped
        case Skipped(size):
            return _told(size), size
        case Truncated():
            return _sent("truncated", "{}"), 0


def fitted(lines: list[bytes], wanted: bytes, room: int) -> tuple[list[str], int]:
    """Give the last of the wanted lines that fit, as JSON, and how many bytes of the log are before them.

    JSON of a line may be six times as long as the line.
    """
    texts: list[str] = []
    for number in range(len(lines), 0, -1):
        if wanted in (line := lines[number - 1]):
            text = json.dumps(line.decode(errors="surrogateescape"))
            room -= len(text) + len(", ")
            if room < 0:
                return texts[::-1], sum(len(line) + 1 for line in lines[:number])
            texts.append(text)
    return texts[::-1], 0


def parameters(query: Mapping[str, str]) -> tuple[int, bytes]:
    """Give how many lines to begin with, and the text that lines must have. Raises HTTPBadRequest."""
    lines = query.get("lines", "10")
    if not re.fullmatch("[0-9]{1,4}", lines) or int(lines) > MOST_LINES:
        raise web.HTTPBadRequest(text=f"lines is a number from 0 to {MOST_LINES}\n")
    return int(lines), query.get("filter", "").encode(errors="surrogateescape")


def _told(skipped: int) -> bytes:
    return _sent("skipped", json.dumps({"bytes": skipped}))


def _sent(name: str, data: str) -> bytes:
    # ASCII: no byte of a line, and no CR that would end a field of the protocol, gets through as it is.
    return f"event: {name}\ndata: {data}\n\n".encode()
