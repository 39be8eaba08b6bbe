"""Whether a child hangs: its `/healthz` as a kubelet's liveness probe would read it.

Only a child that listens can hang. While a connection is refused it may still be reading a long journal, and
to start it again would only make it begin from the start.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout

PROBES: Final = 3
"""A child hangs if at least so many probes in a row fail."""
TIMEOUT: Final = 5.0
"""Seconds that one probe may take, at most."""
OK: Final = 200


class Liveness:
    """Probes the `/healthz` of one child; the child hangs if that fails for `limit` seconds."""

    def __init__(self, url: str, limit: float) -> None:
        self._url = f"{url}/healthz"
        self._limit = limit

    async def wait_hung(self) -> str:
        """Return what a child that hangs does, once it does."""
        interval = self._limit / PROBES
        failing_since, failures = 0.0, 0
        while True:
            started = time.monotonic()
            failure = await self._probe(min(TIMEOUT, interval))
            failures = failures + 1 if failure else 0
            if failures == 1:
                failing_since = started
            if failures >= PROBES and time.monotonic() - failing_since >= self._limit:
                return f"{failure} for {time.monotonic() - failing_since:.0f} s"
            await asyncio.sleep(max(0.0, started + interval - time.monotonic()))

    async def _probe(self, timeout: float) -> str:  # noqa: ASYNC109 (its end is an answer, not an error)
        """Return what is wrong with the child; empty if it is alive or does not listen."""
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=timeout)) as session,
                session.get(self._url) as answer,
            ):
                return "" if answer.status == OK else f"reports at {self._url} that it is stalled"
        except ClientConnectorError:
            return ""
        except (ClientError, OSError):  # a TimeoutError is an OSError
            return f"has not answered at {self._url}"
