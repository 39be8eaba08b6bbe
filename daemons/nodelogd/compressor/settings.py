"""The settings of the compressor; `cli` builds them from options and environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

from nodelogd.service.files.disk_budget import Budget
from nodelogd.service.listening_sockets import Address

RETENTION: Final = Budget(max_bytes=None, max_files=7, always_kept=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one logcd. Times in seconds."""

    directory: Path = Path("/var/log")  # absolute
    include: tuple[str, ...] = ("*.log",)
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    out: Path = Path("/var/log")  # absolute
    link: bool = True  # in `directory`, if the archives are elsewhere
    copy_to: Path | None = None  # absolute
    name: str = "all-logs-{date}.tar.gz"
    mode: int = 0o600
    zone: tzinfo = UTC
    max_file: int | None = None  # bytes of a file; a larger one is left out
    max_total: int | None = None  # bytes of all files; the largest are left out
    interval: float = 60.0  # from the start of one cycle to the start of the next
    scrub_interval: float | None = 86_400.0  # from one scrub to the next
    retention: Budget = RETENTION
    http: tuple[Address, ...] = (Address(None, 9167),)
