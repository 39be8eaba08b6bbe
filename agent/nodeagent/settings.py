"""The agent's settings, and what it watches; `cli` builds both from options, environment and file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.service.listening_sockets import Address

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_HTTP = Address(None, 9168)
DEFAULT_TAIL = Address("127.0.0.1", 9169)
DISK_FULL_SOON = 6 * 3600.0
"""Seconds: a file system that will be full before then is a problem."""


@dataclass(frozen=True, slots=True)
class CollectorAddress:
    """Where the collector takes lines: its port at any of the node's addresses, tried in this order."""

    hosts: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class DaemonAddress:
    """A daemon and the URL of its HTTP pages, `http://host:port`."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTargets:
    """What to watch on the node. None or an empty tuple: there is no such thing, and no check for it."""

    collector: CollectorAddress | None
    daemons: tuple[DaemonAddress, ...]
    disks: tuple[Path, ...]
    archives: Path | None  # a star stands for the date
    archive_every: float  # seconds between two cycles of logcd
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """How long the children of `nodeagent run` may take. Seconds."""

    grace: float = 40.0
    """From SIGTERM to SIGKILL."""
    hang: float | None = 30.0
    """Without a good answer at `/healthz`, until a child is started again; None: it never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How often to check, and where to show the results. Times in seconds."""

    http: tuple[Address, ...] = (DEFAULT_HTTP,)
    tail: tuple[Address, ...] = (DEFAULT_TAIL,)
    tail_token: Path | None = None
    canary_every: float = 15.0
    look_every: float = 15.0
    verify_every: float = 3600.0
    growth_window: float = 3600.0
