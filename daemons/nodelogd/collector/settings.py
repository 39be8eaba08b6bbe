"""What can be set in the collector; `cli` makes it from options and environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nodelogd.collector.pipeline.sync_schedule import SyncPolicy
from nodelogd.collector.store.log_store import StoreSettings
from nodelogd.service.disk_budget import Budget
from nodelogd.service.listening_sockets import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One logd. Sizes in bytes, times in seconds."""

    listen: tuple[Address, ...] = (Address(None, 6666),)
    relp_listen: tuple[Address, ...] = ()
    http: tuple[Address, ...] = (Address(None, 9166),)
    log: Path = Path("/var/node_log")
    store: StoreSettings = field(default_factory=StoreSettings)
    sync: SyncPolicy = field(default_factory=SyncPolicy)
    keep: Budget = field(default_factory=Budget)
    buffer: int = 32 * 1024**2  # of everything that peers can fill
    max_line: int = 1024**2
    grace: float = 25.0  # for the whole of the end, and for another writer to go at the start
    linger: float = 1.0  # for connections to end by themselves
    max_connections: int = 10_000
    idle_timeout: float | None = None
    stamp: bool = False
