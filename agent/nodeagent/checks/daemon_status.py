"""The daemons, as their own pages show them: ready or not and why, version, restarts, and what they count."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from nodeagent.checks.byte_accounting import Scrape, difference

if TYPE_CHECKING:
    from nodeagent.checks.problems import Findings
    from nodeagent.metrics import Metrics

LIMIT: Final = 4 * 1024**2
"""Bytes of a page."""
PATIENCE: Final = ClientTimeout(total=5.0)
CLOCK_ERROR: Final = 3.0
"""Seconds by which the start of a process may seem to move without a restart."""
OK: Final = 200
_SAMPLE: Final = re.compile(r"^([a-z_]+)(?:\{.*\})? ([-+0-9.eE]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """A daemon and where its pages are, `http://host:port`."""

    name: str
    url: str


class Daemon:
    """Looks at one daemon."""

    def __init__(self, source: Source, metrics: Metrics, findings: Findings) -> None:
        self.name = source.name
        self._url = source.url
        self._metrics = metrics
        self._findings = findings
        self._started: float | None = None
        self._version = ""
        self._last: dict[str, object] = {}
        self._uneven = 0  # times in a row that the ledger showed a difference
        self.sums: dict[str, float] = {}
        """Its metrics when it last answered, each summed over its labels."""
        metrics.daemon_restarts.labels(source.name)

    async def look(self) -> bool:
        """Ask for its pages; tell whether it is there and ready."""
        async with ClientSession(timeout=PATIENCE) as session:
            try:
                code, ready = await self._page(session, "/readyz")
                _, status = await self._page(session, "/status")
                self._learn(_object(status))
                trouble = "" if code == OK else f"{self.name} is not ready: {_reasons(ready)}"
                await self._account(session)
            except (ClientError, OSError, ValueError) as error:
                trouble = f"{self.name} does not answer at {self._url}: {_why(error)}"
                self._metrics.daemon_up.labels(self.name).set(0)
        self._metrics.daemon_ready.labels(self.name).set(not trouble)
        return self._findings.tell(self.name, trouble)

    def status(self) -> dict[str, object]:
        """Give what `/status` shows: the daemon's own page, when it last answered."""
        return self._last

    async def _page(self, session: ClientSession, path: str) -> tuple[int, str]:
        async with session.get(self._url + path) as answer:
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > LIMIT:
                    raise ValueError(f"{path} has more than {LIMIT} bytes")
            return answer.status, body.decode(errors="replace")

    def _learn(self, status: dict[str, Any]) -> None:
        """Take what it says of itself; notice when it is another process than before."""
        self._last = status
        self._metrics.daemon_up.labels(self.name).set(1)
        uptime, version = status.get("uptime_seconds"), str(status.get("version", ""))
        if isinstance(uptime, int | float):
            started = time.monotonic() - uptime
            if self._started is not None and started > self._started + CLOCK_ERROR:
                self._metrics.daemon_restarts.labels(self.name).inc()
            self._started = started
        if version != self._version:
            if self._version:
                self._metrics.daemon_version.remove(self.name, self._version)
            self._version = version
            self._metrics.daemon_version.labels(self.name, version).set(1)

    async def _account(self, session: ClientSession) -> None:
        """Compare what it received with what became of it; a second look decides."""
        first = await self._scrape(session)
        if first is None:
            return
        missing: float | None = first.difference
        if missing and (second := await self._scrape(session)):
            missing = difference(first, second)
        if missing is None:
            return
        self._metrics.ledger.set(missing)
        self._uneven = self._uneven + 1 if missing else 0
        text = (
            f"{self.name} received {missing:.0f} bytes that are neither written nor held nor dropped; "
            "keep its /metrics and its log, and report it"
        )
        self._findings.tell("ledger", text if self._uneven > 1 else "")

    async def _scrape(self, session: ClientSession) -> Scrape | None:
        _, text = await self._page(session, "/metrics")
        self.sums = sums(text)
        return Scrape.of(self.sums)


def sums(text: str) -> dict[str, float]:
    """Add up the samples of each metric on a page for Prometheus."""
    found: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def _why(error: Exception) -> str:
    """Say it as the system does; aiohttp says it at length."""
    code = getattr(error, "errno", None)
    return os.strerror(code) if code else str(error) or f"no answer within {PATIENCE.total:g} s"


def _object(body: str) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not a page of a daemon")  # noqa: TRY004 (what came is wrong, not what we did)
    return found


def _reasons(body: str) -> str:
    match _object(body).get("reasons"):
        case {**reasons} if reasons:
            return "; ".join(map(str, reasons.values()))
        case _:
            return "it gives no reason"
