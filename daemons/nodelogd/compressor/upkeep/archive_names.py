"""The names of the archives and of what lies beside them; a start lists the directory and knows what to do.

| name | what it is |
|---|---|
| `all-logs-2026-11-22.tar.gz` | an archive |
| `all-logs-2026-11-22.tar.gz.index` | its index |
| `.all-logs-{date}.tar.gz.lock` | held by whoever is at a cycle |
| `.all-logs-{date}.tar.gz.scrubbed` | empty; its time is that of the last scrub |
| `.all-logs-2026-11-22.tar.gz.tmp-…` | one that is being made, or that a killed process left |
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

DATE: Final = "{date}"
LONGEST: Final = 200  # bytes; what is put around it has to fit into a file name, too


def template(text: str) -> str:
    """Check the name of archives. Raises a ValueError that says what is wrong with it."""
    if text in {"", ".", ".."} or "/" in text or "\0" in text:
        raise ValueError("not the name of a file")
    if re.search("[{}]", text.replace(DATE, "", 1)):
        raise ValueError(f"not a name: of braces it may have {DATE}, once")
    if len(text.encode(errors="surrogateescape")) > LONGEST:
        raise ValueError("too long")
    return text


@dataclass(frozen=True, slots=True)
class Names:
    """Names in the directory of the archives, whose own names are made from a template."""

    out: Path
    template: str

    def archive(self, now: float, zone: tzinfo) -> Path:
        """Name the archive of the day that it is at `now` (seconds since the epoch)."""
        return self.out / self.template.replace(DATE, f"{datetime.fromtimestamp(now, zone):%Y-%m-%d}")

    @property
    def lock(self) -> Path:
        """Name the file that whoever is at a cycle has locked."""
        return self.out / f".{self.template}.lock"

    @property
    def scrubbed(self) -> Path:
        """Name the file whose time says when there was a scrub."""
        return self.out / f".{self.template}.scrubbed"

    def archives(self) -> list[Path]:
        """List the archives, the oldest day first."""
        ours = re.compile(self._archive())
        return sorted(self.out / name for name in os.listdir(self.out) if ours.fullmatch(name))

    def leftovers(self) -> list[Path]:
        """List what killed processes left, and indexes alone; only for the holder of the lock."""
        half = re.compile(rf"\.{self._archive()}(\.index)?\.tmp-\d+-[0-9a-f]+")
        index = re.compile(rf"{self._archive()}\.index")
        names = set(os.listdir(self.out))  # no paths: 10,000 logs may lie here, too
        return [
            self.out / name
            for name in sorted(names)
            if half.fullmatch(name) or (index.fullmatch(name) and name.removesuffix(".index") not in names)
        ]

    def is_own(self, name: str) -> bool:
        """Say whether a file of this name in the directory is ours."""
        return _own(self.template).fullmatch(name) is not None

    def _archive(self) -> str:
        return _archive(self.template)


@cache
def _own(template: str) -> re.Pattern[str]:
    """Give what all names of ours are like; it is asked about every file of each cycle."""
    archive, beside = _archive(template), re.escape(f".{template}")
    return re.compile(
        rf"{archive}(\.index)?|\.{archive}(\.index)?\.tmp-.*|{beside}\.(lock|scrubbed)", re.DOTALL
    )


def _archive(template: str) -> str:
    return re.escape(template).replace(re.escape(DATE), r"[0-9]{4}-[0-9]{2}-[0-9]{2}", 1)
