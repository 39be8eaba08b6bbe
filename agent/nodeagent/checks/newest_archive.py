"""Finds the newest archive of logcd in a folder where others may put files with such names.

An archive of logcd is a regular file that belongs to root, to this user or to the owner of the folder, that
nobody else may write to, and whose date is not in the future. At its name there may be a link to it, of the
same users. Anything else does not hide the real one.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nodelogd.service.files.own_files import why_foreign

if TYPE_CHECKING:
    from pathlib import Path

ROOT: Final = 0
AHEAD: Final = 24 * 3600
"""Seconds that a day of another time zone, or another clock, may be ahead."""
_DATE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(\.[0-9]{1,4})?")


def newest_archive(pattern: Path) -> tuple[Path, os.stat_result] | None:
    """Return the archive written last among those that match `pattern`, whose star is the date.

    Raises OSError.
    """
    latest = time.time() + AHEAD
    found: list[tuple[Path, os.stat_result]] = []
    for path in pattern.parent.glob(pattern.name):
        if _is_past(_date_text(path.name, pattern.name), latest):
            with suppress(FileNotFoundError):  # it was removed just now
                if status := _trusted_status(path):
                    found.append((path, status))
    # One that was written in the future, by a wrong clock, is the newest only if there is no other.
    return max(found, key=lambda one: (one[1].st_mtime <= latest, one[1].st_mtime_ns), default=None)


def _date_text(name: str, pattern: str) -> str | None:
    """Return what stands at the star; None if the pattern has none and so tells no date."""
    before, star, after = re.sub(r"\[(.)\]", r"\1", pattern).partition("*")
    return name[len(before) : len(name) - len(after)] if star else None


def _is_past(text: str | None, latest: float) -> bool:
    if text is None:
        return True
    match = _DATE.fullmatch(text)
    try:
        day = datetime.fromisoformat(match[1]).replace(tzinfo=UTC) if match else None
    except ValueError:  # no such day
        return False
    return day is not None and day.timestamp() <= latest


def _trusted_status(path: Path) -> os.stat_result | None:
    """Return the status of the archive at `path`, or None if it may be somebody else's."""
    status, uids = path.lstat(), _trusted_uids(path.parent)
    if stat.S_ISLNK(status.st_mode):
        if status.st_uid not in uids:
            return None
        path = path.resolve()
        status, uids = path.lstat(), _trusted_uids(path.parent)
    return None if why_foreign(status, uids) else status


def _trusted_uids(folder: Path) -> frozenset[int]:
    return frozenset({ROOT, os.geteuid(), folder.stat().st_uid})
