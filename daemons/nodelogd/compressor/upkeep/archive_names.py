"""The names of the archives and of the files beside them; a start lists the directory and knows what to do.

| name | what it is |
|---|---|
| `all-logs-2026-11-22.tar.gz` | an archive |
| `all-logs-2026-11-22.2.tar.gz` | a second one of a day whose first was finished when the clock went back |
| `all-logs-2026-11-22.tar.gz.index` | its index |
| `.all-logs-{date}.tar.gz.lock` | locked by the process that runs a cycle |
| `.all-logs-{date}.tar.gz.scrubbed` | empty; its modification time is the time of the last scrub |
| `.all-logs-{date}.tar.gz.record` | the directory that is archived, and the archive that is not finished |
| `.all-logs-2026-11-22.tar.gz.tmp-…` | an archive or index being written, or left by a killed process |
| `.all-logs-2026-11-22.tar.gz.foreign-…` | a directory of someone else that was in the way |
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from nodelogd.service.files.own_files import ForeignFileError, is_own, own_status

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from pathlib import Path

DATE_FIELD: Final = "{date}"
MAX_TEMPLATE_BYTES: Final = 200  # a file name must also have room for what is put around it


class Day(NamedTuple):
    """Which archive of which day a name stands for; days compare by their date."""

    date: str
    number: int


class FolderListing(NamedTuple):
    """What a directory has of our names."""

    archives: list[Path]
    """Our archives, the oldest day first."""
    foreign: dict[Path, str]
    """What has the name of an archive and is not ours, with the reason."""
    leftovers: list[Path]
    """What killed processes left, and indexes without an archive."""


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

    def day(self, path: Path) -> Day:
        """Return the day of an archive; without a date in the name, all are of the same day."""
        found = _archive_name(self.template).fullmatch(path.name)
        date, number = found.groups() if found and found.groups() else ("", None)
        return Day(date, int(number or 1))

    def next_of_day(self, path: Path) -> Path:
        """Return the path of another archive for the day of this one."""
        date, number = self.day(path)
        return self.out / self.template.replace(DATE_FIELD, f"{date}.{number + 1}")

    def in_folder(self, folder: Path) -> ArchiveNames:
        """Return the same names in another directory."""
        return replace(self, out=folder)

    @property
    def lock(self) -> Path:
        """The file that is locked during a cycle."""
        return self.out / f".{self.template}.lock"

    @property
    def record(self) -> Path:
        """The file that says what is archived, and which archive is not finished."""
        return self.out / f".{self.template}.record"

    @property
    def scrub_marker(self) -> Path:
        """The file whose modification time is the time of the last scrub."""
        return self.out / f".{self.template}.scrubbed"

    def list_folder(self) -> FolderListing:
        """List the directory once; call only under the lock if leftovers are to be removed."""
        archive = re.compile(_archive_pattern(self.template))
        temporary = re.compile(rf"\.{_archive_pattern(self.template)}(\.index)?\.tmp-\d+-[0-9a-f]+")
        index = re.compile(rf"{_archive_pattern(self.template)}\.index")
        start = self.template.split(DATE_FIELD)[0]
        # Not paths, and few: 10,000 logs may be in the same directory.
        names = {name for name in os.listdir(self.out) if name.startswith((start, f".{start}"))}
        leftovers = [
            self.out / name
            for name in sorted(names)
            if temporary.fullmatch(name)
            or (index.fullmatch(name) and name.removesuffix(".index") not in names)
        ]
        archives, foreign = [], {}
        for path in sorted((self.out / name for name in names if archive.fullmatch(name)), key=self.day):
            try:
                if own_status(path) is not None:
                    archives.append(path)
            except ForeignFileError as error:
                foreign[path] = error.strerror or str(error)
        return FolderListing(archives, foreign, [path for path in leftovers if is_own(path)])

    def list_archives(self) -> list[Path]:
        """Return our archives, the oldest day first; files of others that have such names are left out."""
        return self.list_folder().archives

    def list_leftovers(self) -> list[Path]:
        """Return what killed processes left, and indexes without an archive; call only under the lock."""
        return self.list_folder().leftovers

    def is_own(self, name: str) -> bool:
        """Return whether a file of this name in the directory belongs to logcd."""
        return self.own_matcher()(name) is not None

    def own_matcher(self) -> Callable[[str], object]:
        """Return what tells whether a name is one of our own; it is called for every file in each cycle."""
        return _own_names(self.template).fullmatch


@cache
def _own_names(template: str) -> re.Pattern[str]:
    """Return a pattern for all of logcd's own names; it is tried on every file in each cycle."""
    archive, beside = _archive_pattern(template), re.escape(f".{template}")
    return re.compile(
        rf"{archive}(\.index)?(\.earlier-.*)?|\.{archive}(\.index)?\.(tmp|foreign)-.*"
        rf"|{beside}\.(lock|record|scrubbed)(\.(tmp|foreign)-.*)?",
        re.DOTALL,
    )


@cache
def _archive_name(template: str) -> re.Pattern[str]:
    return re.compile(_archive_pattern(template))


def _archive_pattern(template: str) -> str:
    date = r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([0-9]{1,4}))?"
    return re.escape(template).replace(re.escape(DATE_FIELD), date, 1)
