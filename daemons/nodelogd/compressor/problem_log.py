"""Problems of the compressor: each is logged when it begins or changes, not once per cycle."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final

from nodelogd.service.files.own_files import ForeignFileError, own_status

if TYPE_CHECKING:
    from pathlib import Path

    from nodelogd.compressor.upkeep.archive_names import ArchiveNames, FolderListing

log = logging.getLogger(__name__)

_TEMPORARY_SUFFIX: Final = re.compile(r"\.tmp-\d+-[0-9a-f]+$")
_MAX_NAMED: Final = 3


class ProblemLog:
    """The current problem of each subject."""

    def __init__(self) -> None:
        """Start without problems."""
        self._texts: dict[str, str] = {}

    def report(self, subject: str, text: str) -> None:
        """Log a problem, unless it is the current one of this subject; an empty text means there is none."""
        if text and text != self._texts.get(subject):
            log.warning("%s", text)
        self._texts[subject] = text

    def clear(self, subject: str) -> bool:
        """Forget the problem of a subject; return whether there was one."""
        return bool(self._texts.pop(subject, ""))


def explain(error: OSError) -> str:
    """Describe an error, without the random suffix of a temporary file: same problem, same text."""
    text = error.strerror or str(error)
    if not error.filename:
        return text
    return f"{text}: {_TEMPORARY_SUFFIX.sub('', os.fsdecode(error.filename))}"


def why_replaced(archive: Path) -> str:
    """Say why a file at the name of an archive is not used; empty if it is. Raises OSError."""
    try:
        own_status(archive)
    except ForeignFileError as error:
        return f"{archive} is not ours: {error.strerror}; it is not read, everything is compressed again"
    return ""


def describe_foreign(names: ArchiveNames, listing: FolderListing, target: Path) -> str:
    """Name what looks like an archive and is not treated as one; empty if nothing is."""
    today = names.day(target).date
    others = [f"{path.name}: {why}" for path, why in listing.foreign.items()]
    later = [path for path in listing.archives if names.day(path).date > today]
    others += [f"{path.name}: it is of a later day" for path in later]
    if not others:
        return ""
    more = f", and {len(others) - _MAX_NAMED} more" if len(others) > _MAX_NAMED else ""
    return (
        f"not counted and never removed in {names.out}: {'; '.join(others[:_MAX_NAMED])}{more}; "
        "remove by hand what is not needed"
    )
