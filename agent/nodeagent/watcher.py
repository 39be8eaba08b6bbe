"""The checks of an agent, their results, and the pages that show them: what both commands have in common."""

from __future__ import annotations

import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from nodeagent.checks.archive_age import ArchiveAge
from nodeagent.checks.archive_verification import ArchiveVerification
from nodeagent.checks.check_schedule import ScheduledCheck, running_checks
from nodeagent.checks.collector_probe import CollectorProbe
from nodeagent.checks.daemon_status import DaemonStatus
from nodeagent.checks.disk_space import DiskSpace
from nodeagent.metrics import Metrics
from nodeagent.pages.server import serving
from nodeagent.pages.status_pages import status_pages
from nodeagent.pages.tail_page import TailPage
from nodeagent.problems import Problems
from nodeagent.settings import DISK_FULL_SOON
from nodelog import __version__
from nodelogd.service.listening_sockets import listen_on

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager

    from nodeagent.settings import Settings, WatchTargets
    from nodelogd.service.listening_sockets import Address

LOG: Final = logging.getLogger(__name__)
LAST_SUCCESS_METRIC: Final = "nodelog_archive_last_success_timestamp_seconds"
"""When logcd's last cycle succeeded."""


class Watcher:
    """Runs the checks for the given targets and serves the pages that show their results."""

    def __init__(self, targets: WatchTargets, settings: Settings) -> None:
        self.metrics = Metrics()
        self.problems = Problems(self.metrics)
        self.extra_status: dict[str, Callable[[], object]] = {}
        """What `/status` shows besides the checks."""
        self._targets = targets
        self._settings = settings
        self._started = time.monotonic()
        self._scheduled = list(self._schedule_checks())

    def running_checks(self, delay: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Run the checks while the block runs, for the first time after `delay` seconds."""
        return running_checks(self._scheduled, self.metrics, self.problems, delay)

    @asynccontextmanager
    async def serving_pages(self) -> AsyncGenerator[None]:
        """Serve the pages while the block runs. Raises ListenError."""
        async with AsyncExitStack() as stack:
            http = _listen(stack, self._settings.http, "--http")
            app = status_pages(self.metrics, self.problems, self._status)
            await stack.enter_async_context(serving(app, http))
            tail: list[socket.socket] = []
            if self._targets.log and self._settings.tail_token:
                tail = _listen(stack, self._settings.tail, "--tail")
                page = TailPage(self._targets.log, self._settings.tail_token, self.metrics)
                await stack.enter_async_context(serving(page.application(), tail))
            names = {"http": _address_texts(http), "tail": _address_texts(tail)}
            LOG.info(
                "HTTP on %s; /tail on %s", *(", ".join(n) or "none" for n in names.values()), extra=names
            )
            yield

    def _status(self) -> dict[str, object]:
        return {
            "program": "nodeagent",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "not_ready": self.problems.reasons(),
            **{scheduled.check.name: scheduled.check.status() for scheduled in self._scheduled},
            **{name: status() for name, status in self.extra_status.items()},
        }

    def _schedule_checks(self) -> Iterator[ScheduledCheck]:
        targets, settings, results = self._targets, self._settings, (self.metrics, self.problems)
        daemons = [DaemonStatus(address, *results) for address in targets.daemons]
        for daemon in daemons:
            yield ScheduledCheck(daemon, settings.look_every)
        if targets.collector:
            yield ScheduledCheck(CollectorProbe(targets.collector, *results), settings.canary_every)
        if targets.disks:
            disks = DiskSpace(targets.disks, settings.growth_window, DISK_FULL_SOON, *results)
            yield ScheduledCheck(disks, settings.look_every)
        if targets.archives:

            def last_success() -> float | None:
                found = (daemon.metric_sums.get(LAST_SUCCESS_METRIC) for daemon in daemons)
                return next((seconds for seconds in found if seconds is not None), None)

            age = ArchiveAge(targets.archives, targets.archive_every, last_success, *results)
            yield ScheduledCheck(age, settings.look_every)
            verification = ArchiveVerification(targets.archives, settings.verify_every, *results)
            yield ScheduledCheck(verification, settings.verify_every, is_awaited=False)


def _listen(stack: AsyncExitStack, addresses: Iterable[Address], option: str) -> list[socket.socket]:
    return [stack.enter_context(found) for address in addresses for found in listen_on(address, option)]


def _address_texts(sockets: Iterable[socket.socket]) -> list[str]:
    addresses = (found.getsockname()[:2] for found in sockets)
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses]
