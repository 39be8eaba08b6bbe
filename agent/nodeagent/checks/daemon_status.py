"""A daemon as its own HTTP pages show it: readiness and its reasons, version, restarts, and byte counts."""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from nodeagent.checks.byte_accounting import ByteCounts, missing_bytes

if TYPE_CHECKING:
    from nodeagent.metrics import Metrics
    from nodeagent.problems import Problems
    from nodeagent.settings import DaemonAddress

MAX_PAGE_SIZE: Final = 4 * 1024**2  # bytes
TIMEOUT: Final = ClientTimeout(total=5.0)
START_TOLERANCE: Final = 3.0
"""Seconds by which the start time of a process may seem to move without a restart."""
OK: Final = 200
_SAMPLE: Final = re.compile(r"^([a-z_]+)(?:\{.*\})? ([-+0-9.eE]+)$", re.MULTILINE)


class DaemonStatus:
    """Checks one daemon by its pages `/readyz`, `/status` and `/metrics`."""

    def __init__(self, address: DaemonAddress, metrics: Metrics, problems: Problems) -> None:
        self.name = address.name
        self._url = address.url
        self._metrics = metrics
        self._problems = problems
        self._started: float | None = None
        self._version = ""
        self._last_status: dict[str, object] = {}
        self._runs_with_missing_bytes = 0  # in a row
        self.metric_sums: dict[str, float] = {}
        """The daemon's metrics when it last answered, each summed over its labels."""
        metrics.daemon_restarts.labels(address.name)

    async def run(self) -> bool:
        """Fetch the pages; return whether the daemon answers and is ready."""
        async with ClientSession(timeout=TIMEOUT) as session:
            try:
                code, ready = await self._fetch(session, "/readyz")
                _, status = await self._fetch(session, "/status")
                self._record(_parse_object(status))
                is_ready, problem = code == OK, self._find_problem(code, ready)
                await self._check_byte_counts(session)
            except (ClientError, OSError, ValueError) as error:
                is_ready = False
                problem = f"{self.name} does not answer at {self._url}: {_failure_reason(error)}"
                self._metrics.daemon_up.labels(self.name).set(0)
        self._metrics.daemon_ready.labels(self.name).set(is_ready)
        return self._problems.report(self.name, problem)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows: the daemon's own page, as of its last answer."""
        return self._last_status

    def _find_problem(self, code: int, ready: str) -> str:
        """Return what `/readyz` says is wrong; a ready daemon may not do all its work."""
        if code != OK:
            return f"{self.name} is not ready: {_join_reasons(ready) or 'it gives no reason'}"
        degraded = _join_reasons(ready, "degraded")
        return f"{self.name} does not do all its work: {degraded}" if degraded else ""

    async def _fetch(self, session: ClientSession, path: str) -> tuple[int, str]:
        async with session.get(self._url + path) as answer:
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > MAX_PAGE_SIZE:
                    raise ValueError(f"{path} has more than {MAX_PAGE_SIZE} bytes")
            return answer.status, body.decode(errors="replace")

    def _record(self, status: dict[str, Any]) -> None:
        """Keep the daemon's status; count a restart if the process is a new one."""
        self._last_status = status
        self._metrics.daemon_up.labels(self.name).set(1)
        uptime, version = status.get("uptime_seconds"), str(status.get("version", ""))
        if isinstance(uptime, int | float):
            started = time.monotonic() - uptime
            if self._started is not None and started > self._started + START_TOLERANCE:
                self._metrics.daemon_restarts.labels(self.name).inc()
            self._started = started
        if version != self._version:
            if self._version:
                self._metrics.daemon_version.remove(self.name, self._version)
            self._version = version
            self._metrics.daemon_version.labels(self.name, version).set(1)

    async def _check_byte_counts(self, session: ClientSession) -> None:
        """Compare the bytes received with those accounted for; on a difference, read again to be sure."""
        first = await self._fetch_byte_counts(session)
        if first is None:
            return
        missing: float | None = first.missing
        if missing and (second := await self._fetch_byte_counts(session)):
            missing = missing_bytes(first, second)
        if missing is None:
            return
        self._metrics.ledger_difference.set(missing)
        self._runs_with_missing_bytes = self._runs_with_missing_bytes + 1 if missing else 0
        text = (
            f"{self.name} received {missing:.0f} bytes that are neither written nor held nor dropped; "
            "keep its /metrics and its log, and report it"
        )
        self._problems.report("ledger", text if self._runs_with_missing_bytes > 1 else "")

    async def _fetch_byte_counts(self, session: ClientSession) -> ByteCounts | None:
        _, text = await self._fetch(session, "/metrics")
        self.metric_sums = sum_metrics(text)
        return ByteCounts.from_metrics(self.metric_sums)


def sum_metrics(text: str) -> dict[str, float]:
    """Sum the samples of each metric on a Prometheus page over its labels."""
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def _failure_reason(error: Exception) -> str:
    """Return why a request failed, in the system's own words where it has some; aiohttp's are long."""
    code = getattr(error, "errno", None)
    return os.strerror(code) if code else str(error) or f"no answer within {TIMEOUT.total:g} s"


def _parse_object(body: str) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not a page of a daemon")  # noqa: TRY004 (the page is wrong, not our call)
    return found


def _join_reasons(body: str, field: str = "reasons") -> str:
    match _parse_object(body).get(field):
        case {**reasons} if reasons:
            return "; ".join(map(str, reasons.values()))
        case _:
            return ""
