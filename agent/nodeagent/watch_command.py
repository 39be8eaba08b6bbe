"""`nodeagent watch`: runs the checks alone, for daemons that something else keeps running."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from nodeagent.watcher import Watcher
from nodelogd.service.signals import handling_signals

if TYPE_CHECKING:
    from nodeagent.settings import Settings, WatchTargets

LOG: Final = logging.getLogger(__name__)


async def watch(targets: WatchTargets, settings: Settings) -> int:
    """Check and serve the pages until SIGTERM or SIGINT; return the exit code. Raises ListenError."""
    watcher = Watcher(targets, settings)
    with handling_signals(lambda: None) as stop:
        async with watcher.serving_pages(), watcher.running_checks():
            await stop.wait()
    LOG.info("stopped")
    return 0
