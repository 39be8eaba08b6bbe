"""The names of the archives and of the files beside them; a start lists the directory and knows what to do.

| name | what it is |
|---|---|
| `all-logs-2026-11-22.tar.gz` | an archive |
| `all-logs-2026-11-22.tar.gz.index` | its index |
| `.all-logs-{date}.tar.gz.lock` | locked by the process that runs a cycle |
| `.all-logs-{date}.tar.gz.scrubbed` | empty; its modification time is the time of the last scrub |
| `.all-logs-2026-11-22.tar.gz.tmp-…` | an archive or index being written, or left by a killed process |
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

DATE_FIELD: Final = "{date}"
MAX_TEMPLATE_BYTES: Final = 200  # a file name must also have room for what is put around it


def check_template(text: str) -> str:
    """Return a name for archives if it is valid. Raises a ValueError that says what is wrong with it."""
    if text in {"", ".", ".."} or "/" in text or "\0" in text:
        raise ValueError("not the name of a file")
    if re.search("[{}]", text.replace(DATE_FIELD, "", 1)):
        raise ValueError(f"not a name: it may contain {DATE_FIELD} once and no other braces")
    if len(text.encode(errors="surrogateescape")) > MAX_TEMPLATE_BYTES:
        raise ValueError("too long")
    return text


@dataclass(frozen=True, slots=True)
class ArchiveNames:
    """Names in the directory of the archives, derived from a template."""

    out: Path
    template: str

    def archive_path(self, now: float, zone: tzinfo) -> Path:
        """Return the path of the archive for the day at `now` (seconds since the epoch) in this time zone."""
        date = f"{datetime.fromtimestamp(now, zone):%Y-%m-%d}"
        return self.out / self.template.replace(DATE_FIELD, date)

    @property
    def lock(self) -> Path:
        """The file that is locked during a cycle."""
        return self.out / f".{self.template}.lock"

    @property
    def scrub_marker(self) -> Path:
        """The file whose modification time is the time of the last scrub."""
        return self.out / f".{self.template}.scrubbed"

    def list_archives(self) -> list[Path]:
        """Return the archives, the oldest day first."""
        archive = re.compile(self._archive_pattern())
        return sorted(self.out / name for name in os.listdir(self.out) if archive.fullmatch(name))

    def list_leftovers(self) -> list[Path]:
        """Return what killed processes left, and indexes without an archive; call only under the lock."""
        temporary = re.compile(rf"\.{self._archive_pattern()}(\.index)?\.tmp-\d+-[0-9a-f]+")
        index = re.compile(rf"{self._archive_pattern()}\.index")
        names = set(os.listdir(self.out))  # not paths: 10,000 logs may be in the same directory
        return [
            self.out / name
            for name in sorted(names)
            if temporary.fullmatch(name)
            or (index.fullmatch(name) and name.removesuffix(".index") not in names)
        ]

    def is_own(self, name: str) -> bool:
        """Return whether a file of this name in the directory belongs to logcd."""
        return _own_names(self.template).fullmatch(name) is not None

    def _archive_pattern(self) -> str:
        return _archive_pattern(self.template)


@cache
def _own_names(template: str) -> re.Pattern[str]:
    """Return a pattern for all of logcd's own names; it is tried on every file in each cycle."""
    archive, beside = _archive_pattern(template), re.escape(f".{template}")
    return re.compile(
        rf"{archive}(\.index)?|\.{archive}(\.index)?\.tmp-.*|{beside}\.(lock|scrubbed)", re.DOTALL
    )


def _archive_pattern(template: str) -> str:
    return re.escape(template).replace(re.escape(DATE_FIELD), r"[0-9]{4}-[0-9]{2}-[0-9]{2}", 1)
