"""`nodeagent run`: the children and the eyes of one node, from their start to their end."""

from __future__ import annotations

import glob
import logging
from typing import TYPE_CHECKING, Any, Final

from nodeagent.checks.daemon_status import Source
from nodeagent.settings import Scene
from nodeagent.supervision.child_process import Child
from nodeagent.supervision.children import Family
from nodeagent.supervision.programs import PROGRAMS, SetupError
from nodeagent.watch_command import Watcher
from nodelogd.service.signals import handling_signals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nodeagent.settings import Settings
    from nodelogd.service.listening_sockets import Address

LOG: Final = logging.getLogger(__name__)
START: Final = 1.0
"""Seconds that children have before they are looked at."""
_ANY: Final = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (to connect, not to listen)


async def run(children: Mapping[str, list[str]], settings: Settings, grace: float) -> int:
    """Keep these programs alive, each with its arguments, until SIGTERM or SIGINT; give the exit code.

    0 if all children then ended well within the grace. Raises SetupError, ListenError.
    """
    scene = scene_of({name: PROGRAMS[name].settings(arguments) for name, arguments in children.items()})
    watcher = Watcher(scene, settings)
    family = Family(
        [
            Child(name, PROGRAMS[name].start(arguments), watcher.metrics, watcher.findings)
            for name, arguments in children.items()
        ]
    )
    watcher.more["children"] = family.status
    with handling_signals(family.hang_up) as stop:
        async with watcher.showing(), family.living(grace), watcher.looking(START):
            await stop.wait()
            watcher.findings.wait_for("stop", "stopping")
    LOG.info("stopped")
    return 0 if family.ended_well else 1


def scene_of(options: Mapping[str, Mapping[str, Any]]) -> Scene:
    """Find out from the options of the children what there is to look at. Raises SetupError."""
    logd, logcd = options.get("logd"), options.get("logcd")
    archives = _archives(logcd) if logcd else None
    log: Path | None = logd["log"].resolve() if logd else None
    return Scene(
        collector=_place("logd", "listen", logd["listen"]) if logd else None,
        daemons=tuple(
            Source(name, _url(*_place(name, "http", found["http"]))) for name, found in options.items()
        ),
        disks=tuple(
            dict.fromkeys(path for path in (log and log.parent, archives and archives.parent) if path)
        ),
        archives=archives,
        archive_every=logcd["every"] if logcd else 0.0,
        log=log,
    )


def _archives(logcd: Mapping[str, Any]) -> Path:
    """Give the paths of all archives, a star for the date."""
    folder: Path = (logcd["out"] or logcd["dir"]).absolute()
    return folder / glob.escape(str(logcd["name"])).replace("{date}", "*")


def _place(program: str, option: str, addresses: tuple[Address, ...]) -> tuple[tuple[str, ...], int]:
    """Give where to connect to, of the places where a child listens."""
    if not addresses or not addresses[0].port:
        raise SetupError(f"{program}: {option} needs a port of its own: the agent connects to it")
    return (_ANY.get(addresses[0].host, addresses[0].host or ""),), addresses[0].port


def _url(hosts: tuple[str, ...], port: int) -> str:
    host = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0]
    return f"http://{host}:{port}"
