"""`nodeagent run`: starts the daemons of one node, keeps them running, and runs the checks."""

from __future__ import annotations

import glob
import logging
from typing import TYPE_CHECKING, Any, Final

from nodeagent.settings import CollectorAddress, DaemonAddress, WatchTargets
from nodeagent.supervision.child_process import ChildProcess
from nodeagent.supervision.children import Children
from nodeagent.supervision.liveness import Liveness
from nodeagent.supervision.programs import PROGRAMS, ConfigError
from nodeagent.watcher import Watcher
from nodelogd.collector.settings import FramedAddress
from nodelogd.service.listening_sockets import Address
from nodelogd.service.signals import handling_signals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodeagent.settings import ChildLimits, Settings

LOG: Final = logging.getLogger(__name__)
START_DELAY: Final = 1.0
"""Seconds that children have to start before the first check."""
_LOOPBACK: Final = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (to connect, not to listen)


async def run(children: Mapping[str, list[str]], settings: Settings, limits: ChildLimits) -> int:
    """Keep these programs running with their arguments until SIGTERM or SIGINT; return the exit code.

    0 if all children then ended well within the grace. Raises ConfigError, ListenError.
    """
    targets = watch_targets({name: PROGRAMS[name].settings(args) for name, args in children.items()})
    watcher = Watcher(targets, settings)
    results = (watcher.metrics, watcher.problems)
    supervised = Children(
        [
            ChildProcess(
                daemon.name,
                PROGRAMS[daemon.name].start_command(children[daemon.name]),
                *results,
                Liveness(daemon.url, limits.hang) if limits.hang else None,
            )
            for daemon in targets.daemons
        ]
    )
    watcher.extra_status["children"] = supervised.status
    with handling_signals(supervised.forward_sighup) as stop:
        async with (
            watcher.serving_pages(),
            supervised.running(limits.grace),
            watcher.running_checks(START_DELAY),
        ):
            await stop.wait()
            watcher.problems.hold_readiness("stop", "stopping")
    LOG.info("stopped")
    return 0 if supervised.ended_well else 1


def watch_targets(options: Mapping[str, Mapping[str, Any]]) -> WatchTargets:
    """Derive what to watch from the options of the children. Raises ConfigError."""
    logd, logcd = options.get("logd"), options.get("logcd")
    archives = _archive_pattern(logcd) if logcd else None
    log: Path | None = logd["log"].resolve() if logd else None
    return WatchTargets(
        collector=_collector_address(logd) if logd else None,
        daemons=tuple(
            DaemonAddress(name, f"http://{Address(*_connect_address(name, 'http', values))}")
            for name, values in options.items()
        ),
        disks=tuple(
            dict.fromkeys(path for path in (log and log.parent, archives and archives.parent) if path)
        ),
        archives=archives,
        archive_every=logcd["every"] if logcd else 0.0,
        log=log,
    )


def _archive_pattern(logcd: Mapping[str, Any]) -> Path:
    """Return the path of logcd's archives, with a star for the date."""
    folder: Path = (logcd["out"] or logcd["dir"]).absolute()
    return folder / glob.escape(str(logcd["name"])).replace("{date}", "*")


def _collector_address(logd: Mapping[str, Any]) -> CollectorAddress:
    host, port = _connect_address("logd", "listen", logd)
    return CollectorAddress((host,), port)


def _connect_address(program: str, option: str, values: Mapping[str, Any]) -> tuple[str, int]:
    """Return the host and port to reach a child: its first address for lines. Raises ConfigError."""
    addresses: list[Address] = [each for each in values[option] if not isinstance(each, FramedAddress)]
    if not addresses or not addresses[0].port:
        raise ConfigError(f"{program}: {option} needs a port of its own: the agent connects to it")
    host = addresses[0].host
    return _LOOPBACK.get(host, host or ""), addresses[0].port
