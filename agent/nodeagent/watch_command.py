"""The eyes of an agent, put together and shown: what `nodeagent watch` is, and `nodeagent run` has too."""

from __future__ import annotations

import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from nodeagent.checks.archive_checks import Archive, Verification
from nodeagent.checks.check_schedule import Rhythm, looking
from nodeagent.checks.collector_probe import Canary
from nodeagent.checks.daemon_status import Daemon
from nodeagent.checks.disk_space import Disks
from nodeagent.checks.problems import Findings
from nodeagent.metrics import Metrics
from nodeagent.pages.status_pages import pages, serving
from nodeagent.settings import SOON
from nodeagent.tail.event_stream import Tail
from nodelog import __version__
from nodelogd.service.listening_sockets import listen_on
from nodelogd.service.signals import handling_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager

    from nodeagent.settings import Scene, Settings
    from nodelogd.service.listening_sockets import Address

LOG: Final = logging.getLogger(__name__)
CONFIRMED: Final = "nodelog_archive_last_success_timestamp_seconds"
"""When logcd's last cycle succeeded."""


async def watch(scene: Scene, settings: Settings) -> int:
    """Watch and show what is seen until SIGTERM or SIGINT; give the exit code. Raises ListenError."""
    watcher = Watcher(scene, settings)
    with handling_signals(lambda: None) as stop:
        async with watcher.showing(), watcher.looking():
            await stop.wait()
    LOG.info("stopped")
    return 0


class Watcher:
    """Eyes, what they have found, and the pages that show it."""

    def __init__(self, scene: Scene, settings: Settings) -> None:
        self.metrics = Metrics()
        self.findings = Findings(self.metrics)
        self.more: dict[str, Callable[[], object]] = {}
        """What else `/status` shows."""
        self._scene = scene
        self._settings = settings
        self._began = time.monotonic()
        self._rhythms = list(self._eyes())

    def looking(self, delay: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Look as long as the block lasts, for the first time after `delay` seconds."""
        return looking(self._rhythms, self.metrics, self.findings, delay)

    @asynccontextmanager
    async def showing(self) -> AsyncGenerator[None]:
        """Show the pages as long as the block lasts. Raises ListenError."""
        async with AsyncExitStack() as stack:
            http = _open(stack, self._settings.http, "--http")
            app = pages(self.metrics, self.findings, self._status)
            await stack.enter_async_context(serving(app, http))
            tail: list[socket.socket] = []
            if self._scene.log and self._settings.tail_token:
                tail = _open(stack, self._settings.tail, "--tail")
                readers = Tail(self._scene.log, self._settings.tail_token, self.metrics)
                await stack.enter_async_context(serving(readers.application(), tail))
            names = {"http": _names(http), "tail": _names(tail)}
            LOG.info(
                "HTTP on %s; /tail on %s", *(", ".join(n) or "none" for n in names.values()), extra=names
            )
            yield

    def _status(self) -> dict[str, object]:
        return {
            "program": "nodeagent",
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._began, 1),
            "not_ready": self.findings.reasons(),
            **{rhythm.eye.name: rhythm.eye.status() for rhythm in self._rhythms},
            **{name: status() for name, status in self.more.items()},
        }

    def _eyes(self) -> Iterator[Rhythm]:
        scene, settings, found = self._scene, self._settings, (self.metrics, self.findings)
        daemons = [Daemon(source, *found) for source in scene.daemons]
        for daemon in daemons:
            yield Rhythm(daemon, settings.look_every)
        if scene.collector:
            yield Rhythm(Canary(*scene.collector, *found), settings.canary_every)
        if scene.disks:
            yield Rhythm(Disks(scene.disks, settings.growth_window, SOON, *found), settings.look_every)
        if scene.archives:

            def confirmed() -> float | None:
                return next((daemon.sums[CONFIRMED] for daemon in daemons if CONFIRMED in daemon.sums), None)

            yield Rhythm(Archive(scene.archives, scene.archive_every, confirmed, *found), settings.look_every)
            verification = Verification(scene.archives, settings.verify_every, *found)
            yield Rhythm(verification, settings.verify_every, is_awaited=False)


def _open(stack: AsyncExitStack, addresses: Iterable[Address], option: str) -> list[socket.socket]:
    return [stack.enter_context(found) for address in addresses for found in listen_on(address, option)]


def _names(sockets: Iterable[socket.socket]) -> list[str]:
    ends = (found.getsockname()[:2] for found in sockets)
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in ends]
