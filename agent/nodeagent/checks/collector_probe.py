"""The canary: a probe that takes the whole path of a client's line and leaves nothing in the log.

The probe is a block without lines, on a stream of the agent's own: the collector journals, syncs and
acknowledges it like any other block. Each probe opens a new connection, so accepting is tested too.
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
    from collections.abc import AsyncGenerator

    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems
    from nodeagent.settings import CollectorAddress
    from nodelog.wire.client_session import Event

TIMEOUT: Final = 10.0
"""Seconds for a probe."""
CLOSE_TIMEOUT: Final = 1.0
"""Seconds for the collector to answer our close."""
CLIENT_NAME: Final = "nodeagent"


class ProbeError(OSError):
    """The collector does not behave as it should."""


class CollectorProbe:
    """Probes a collector at the first of its addresses that accepts a connection."""

    name = "canary"

    def __init__(self, address: CollectorAddress, metrics: Metrics, problems: Problems) -> None:
        self._address = address
        self._metrics = metrics
        self._problems = problems
        self._stream = os.urandom(16)
        self._next_block = 1  # its number in the stream
        self._last_success = time.time()
        self._seconds: float | None = None
        metrics.probe_success.set(self._last_success)

    async def run(self) -> bool:
        """Send a probe; return whether it was acknowledged."""
        started = time.monotonic()
        why = ""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._probe()
        except TimeoutError:
            why = f"no answer within {TIMEOUT:g} s"
        except (OSError, WireError) as error:
            why = failure_reason(error)
        self._record(time.monotonic() - started, is_ok=not why)
        where = f"{self._address.hosts[0]} port {self._address.port}"
        text = f"a probe to {where} failed: {why}; is logd there?"
        return self._problems.report(self.name, text if why else "")

    def status(self) -> dict[str, object]:
        """Return what `/status` shows."""
        return {
            "seconds": self._seconds,
            "seconds_since_success": round(time.time() - self._last_success, 1),
        }

    def _record(self, seconds: float, *, is_ok: bool) -> None:
        self._metrics.probes.labels("ok" if is_ok else "failed").inc()
        self._metrics.probe_ok.set(is_ok)
        if is_ok:
            self._last_success = time.time()
            self._seconds = round(seconds, 6)
            self._metrics.probe_seconds.observe(seconds)
            self._metrics.probe_success.set(self._last_success)

    async def _probe(self) -> None:
        reader, writer = await self._connect()
        try:
            session = ClientSession(stream=(self._stream, self._next_block), name=CLIENT_NAME)
            await _send_probe(session, reader, writer)
            self._next_block += 1
            with suppress(OSError, WireError):  # the probe is acknowledged, whatever happens now
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await _close_stream(session, reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: OSError = ProbeError("no address")
        for host in self._address.hosts:
            try:
                return await asyncio.open_connection(host, self._address.port)
            except OSError as error:
                failure = error
        raise failure


async def _send_probe(
    session: ClientSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Open the session, send a probe, and return when it is acknowledged."""
    writer.write(session.hello())
    async for event in _events(session, reader):
        match event:
            case Welcome(lines=True, durable=int()):
                writer.writelines(session.block(b""))
            case Acked():
                return
            case Welcome():
                raise ProbeError("it accepts no blocks and streams, so it is not logd")
            case _:
                raise ProbeError(f"it answers {event}")


async def _close_stream(
    session: ClientSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Close the stream, so that the collector need not remember it."""
    writer.write(session.close())
    async for event in _events(session, reader):
        if isinstance(event, Closed):
            return


async def _events(session: ClientSession, reader: asyncio.StreamReader) -> AsyncGenerator[Event]:
    while data := await reader.read(4096):
        for event in session.feed(data):
            yield event
    raise ProbeError("it hung up")


def failure_reason(error: OSError | WireError) -> str:
    """Return why a probe failed, in the system's own words where it has some."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)  # the text of asyncio's errors differs from loop to loop
    return getattr(error, "strerror", None) or str(error)
