"""What can be set in the compressor; `cli` makes it from options and environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

from nodelogd.service.disk_budget import Budget
from nodelogd.service.listening_sockets import Address

KEEP: Final = Budget(max_bytes=None, max_files=7, always_kept=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One logcd. Times in seconds."""

    directory: Path = Path("/var/log")  # absolute
    include: tuple[str, ...] = ("*.log",)
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    out: Path = Path("/var/log")  # absolute
    name: str = "all-logs-{date}.tar.gz"
    mode: int = 0o600
    zone: tzinfo = UTC
    every: float = 60.0  # from the start of a cycle to the start of the next
    scrub: float | None = 86_400.0  # from one scrub to the next
    keep: Budget = KEEP
    http: tuple[Address, ...] = (Address(None, 9167),)
