"""`GET /tail`: the log as it grows, as server-sent events, for clients that have the token.

Parameters: `lines`, how many of the last lines to begin with, and `filter`, a text that lines must contain.

A reader that is slower than the log skips lines, and the stream says how many bytes were skipped: between the
log and a reader there are never more than QUEUE_SIZE encoded bytes, and the buffers of the connection.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from nodeagent.pages.tail_authorization import TailAuthorization
from nodeagent.tail.event_stream import encode_event, encode_failure
from nodeagent.tail.log_follower import LogFollower
from nodeagent.tail.reader_queue import ReaderQueue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodeagent.metrics import Metrics

POLL_INTERVAL: Final = 0.25  # seconds
MAX_READERS: Final = 4
MAX_LAST_LINES: Final = 1000
SEND_TIMEOUT: Final = 60.0
"""Seconds after which a reader that takes nothing is disconnected."""
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class TailPage:
    """The page `/tail` of one log, for readers with the token in the file `token`."""

    def __init__(self, log: Path, token: Path, metrics: Metrics) -> None:
        self._log = log
        self._authorization = TailAuthorization(token)
        self._metrics = metrics
        self._readers = 0

    def application(self) -> web.Application:
        """Return the web application; it knows nothing of sockets."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/tail", self._get)
        return app

    async def _get(self, request: web.Request) -> web.StreamResponse:
        await self._authorization.check(request.headers.get("Authorization", ""))
        last_lines, wanted = parse_query(request.query)
        if self._readers >= MAX_READERS:
            raise web.HTTPServiceUnavailable(text=f"there are {MAX_READERS} readers already\n")
        self._readers += 1
        self._metrics.tails.set(self._readers)
        try:
            return await self._stream(request, last_lines, wanted)
        finally:
            self._readers -= 1
            self._metrics.tails.set(self._readers)

    async def _stream(self, request: web.Request, last_lines: int, wanted: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        queue = ReaderQueue()
        # Closing the queue ends the follower. It is not cancelled: a thread may be reading for it, and must
        # not find its file closed.
        following = asyncio.create_task(self._follow(queue, last_lines, wanted))
        try:
            while piece := await queue.get():
                async with asyncio.timeout(SEND_TIMEOUT):
                    await response.write(piece)
        except (ConnectionError, TimeoutError):
            pass  # the reader has left, or takes nothing
        finally:
            queue.close()
            await asyncio.wait({following})
        return response

    async def _follow(self, queue: ReaderQueue, last_lines: int, wanted: bytes) -> None:
        """Fill the queue from the log, as far as there is room, until the queue is closed or a read fails."""
        try:
            async with LogFollower(self._log) as follower:
                await follower.seek_last(last_lines)
                is_closed = False
                while not is_closed:
                    for event in await follower.poll(queue.room):
                        piece, skipped = encode_event(event, wanted, queue.room)
                        self._metrics.skipped.inc(skipped)
                        if piece:
                            queue.put(piece)
                    is_closed = await queue.wait_closed(POLL_INTERVAL)
        except OSError as error:
            queue.put(encode_failure(f"cannot read {self._log}: {error.strerror}"))
        finally:
            queue.close()


def parse_query(query: Mapping[str, str]) -> tuple[int, bytes]:
    """Return the number of last lines to begin with and the text to filter by. Raises HTTPBadRequest."""
    lines = query.get("lines", "10")
    if not re.fullmatch("[0-9]{1,4}", lines) or int(lines) > MAX_LAST_LINES:
        raise web.HTTPBadRequest(text=f"lines is a number from 0 to {MAX_LAST_LINES}\n")
    return int(lines), query.get("filter", "").encode(errors="surrogateescape")
