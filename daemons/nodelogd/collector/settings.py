"""The settings of the collector. `cli` creates them from options and environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nodelogd.collector.pipeline.sync_schedule import SyncPolicy
from nodelogd.collector.store.log_store import StoreSettings
from nodelogd.service.files.disk_budget import Budget
from nodelogd.service.listening_sockets import Address

if TYPE_CHECKING:
    from nodelogd.collector.network.framing.decoders import Framing


@dataclass(frozen=True, slots=True)
class FramedAddress(Address):
    """Where to listen for messages with a framing other than LF."""

    framing: Framing

    def __str__(self) -> str:
        return Address.__str__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one logd. Sizes are in bytes, times in seconds."""

    listen: tuple[Address, ...] = (Address(None, 6666),)
    relp_listen: tuple[Address, ...] = ()
    http: tuple[Address, ...] = (Address(None, 9166),)
    log: Path = Path("/var/node_log")
    store: StoreSettings = field(default_factory=StoreSettings)
    sync: SyncPolicy = field(default_factory=SyncPolicy)
    keep: Budget = field(default_factory=Budget)
    buffer: int = 32 * 1024**2  # for everything that peers can fill
    max_line: int = 1024**2
    grace: float = 25.0  # for the whole shutdown; also how long the start waits for another logd to exit
    linger: float = 1.0  # how long the shutdown waits for clients to close their connections
    max_connections: int = 10_000
    idle_timeout: float | None = None
    stamp: bool = False
