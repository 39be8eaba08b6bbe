"""What can be set in the agent; `cli` makes it from options, environment and file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodelogd.service.listening_sockets import Address

if TYPE_CHECKING:
    from pathlib import Path

    from nodeagent.checks.daemon_status import Source

HTTP = Address(None, 9168)
TAIL = Address("127.0.0.1", 9169)
SOON = 6 * 3600.0
"""Seconds: a file system that will be full before is a trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to look at on the node; nothing (None, or an empty tuple) is not looked at."""

    collector: tuple[tuple[str, ...], int] | None  # its addresses, any of which will do, and its port
    daemons: tuple[Source, ...]
    disks: tuple[Path, ...]
    archives: Path | None  # a star for the date
    archive_every: float  # seconds between two cycles of logcd
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to look and where to show it. Times in seconds."""

    http: tuple[Address, ...] = (HTTP,)
    tail: tuple[Address, ...] = (TAIL,)
    tail_token: Path | None = None
    canary_every: float = 15.0
    look_every: float = 15.0
    verify_every: float = 3600.0
    growth_window: float = 3600.0
