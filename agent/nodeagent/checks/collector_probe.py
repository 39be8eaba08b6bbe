"""The canary: a probe that goes the whole way of a client's line, and leaves nothing in the log.

The probe is a block without lines on a stream of the agent's own: it is journalled, synced and acknowledged
as any block is. Each has a connection of its own, so that accepting is tried too.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nodelog.wire.client_session import Acked, ClientSession, Closed, Welcome
from nodelog.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics
    from nodelog.wire.client_session import Event

PATIENCE: Final = 10.0
"""Seconds for a probe."""
GOODBYE: Final = 1.0
"""Seconds for the collector to answer our close."""
NAME: Final = "nodeagent"


class CanaryError(OSError):
    """The collector does not do what it should."""


class Canary:
    """Probes a collector at the first of its addresses that can be connected to."""

    name = "canary"

    def __init__(self, hosts: Sequence[str], port: int, metrics: Metrics, findings: Findings) -> None:
        self._hosts = hosts
        self._port = port
        self._metrics = metrics
        self._findings = findings
        self._stream = os.urandom(16)
        self._number = 1  # of the next probe in the stream
        self._succeeded = time.time()
        self._seconds: float | None = None
        metrics.probe_success.set(self._succeeded)

    async def look(self) -> bool:
        """Send a probe; tell whether it was acknowledged."""
        began = time.monotonic()
        why = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._probe()
        except TimeoutError:
            why = f"no answer within {PATIENCE:g} s"
        except (OSError, WireError) as error:
            why = told(error)
        self._note(time.monotonic() - began, is_good=not why)
        where = f"{self._hosts[0]} port {self._port}"
        return self._findings.tell(self.name, why and f"a probe to {where} failed: {why}; is logd there?")

    def status(self) -> dict[str, object]:
        """Give what `/status` shows."""
        return {
            "seconds": self._seconds,
            "seconds_since_success": round(time.time() - self._succeeded, 1),
        }

    def _note(self, seconds: float, *, is_good: bool) -> None:
        self._metrics.probes.labels("ok" if is_good else "failed").inc()
        self._metrics.probe_ok.set(is_good)
        if is_good:
            self._succeeded = time.time()
            self._seconds = round(seconds, 6)
            self._metrics.probe_seconds.observe(seconds)
            self._metrics.probe_success.set(self._succeeded)

    async def _probe(self) -> None:
        reader, writer = await self._connected()
        try:
            session = ClientSession(stream=(self._stream, self._number), name=NAME)
            await _ask(session, reader, writer)
            self._number += 1
            with suppress(OSError, WireError):  # the probe is acknowledged, whatever comes now
                async with asyncio.timeout(GOODBYE):
                    await _leave(session, reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: OSError = CanaryError("no address")
        for host in self._hosts:
            try:
                return await asyncio.open_connection(host, self._port)
            except OSError as error:
                failure = error
        raise failure


async def _ask(session: ClientSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say hello, send a probe, and return when it is acknowledged."""
    writer.write(session.hello())
    async for event in _events(session, reader):
        match event:
            case Welcome(lines=True, durable=int()):
                writer.writelines(session.block(b""))
            case Acked():
                return
            case Welcome():
                raise CanaryError("it takes no blocks and streams, so it is no logd")
            case _:
                raise CanaryError(f"it answers {event}")


async def _leave(session: ClientSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the stream, so that the collector need not remember it."""
    writer.write(session.close())
    async for event in _events(session, reader):
        if isinstance(event, Closed):
            return


async def _events(session: ClientSession, reader: asyncio.StreamReader) -> AsyncGenerator[Event]:
    while data := await reader.read(4096):
        for event in session.feed(data):
            yield event
    raise CanaryError("it hung up")


def told(error: OSError | WireError) -> str:
    """Say why a probe failed, in the words of the system where it has some."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)  # asyncio's loops have words of their own, each others
    return getattr(error, "strerror", None) or str(error)
