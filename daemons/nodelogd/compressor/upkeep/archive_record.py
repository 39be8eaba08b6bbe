"""What the archives are of, and which of them is not finished: a small file that outlives each process.

A finished archive is the only copy of logs that are gone. The clock alone cannot tell which are finished: it
may be set back, or the time zone may change. So the name of the archive that was written last is stored, and
any other is finished.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodelogd.service.files.atomic_publish import publish_atomically
from nodelogd.service.files.own_files import ForeignFileError, make_way_for_rename, read_own

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRecord:
    """The content of the file."""

    directory: str
    """The directory that is archived."""
    archive: str
    """The name of the archive that was written last; it is not finished."""


def read_record(path: Path) -> ArchiveRecord | None:
    """Return what the file says, None if there is none of our own. Raises OSError if it cannot be read."""
    try:
        row = json.loads(read_own(path, _MAX_BYTES))
        return ArchiveRecord(directory=str(row["directory"]), archive=str(row["archive"]))
    except (FileNotFoundError, ForeignFileError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_record(path: Path, record: ArchiveRecord) -> None:
    """Replace the file. Raises OSError."""
    make_way_for_rename(path)
    with publish_atomically(path, mode=0o600) as file:
        file.write(json.dumps({"directory": record.directory, "archive": record.archive}).encode() + b"\n")
