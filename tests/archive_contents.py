"""The files in an archive, the logs it was made of, and the check that it is whole."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

from nodelogd.compressor.upkeep.archive_names import ArchiveNames

if TYPE_CHECKING:
    from pathlib import Path


def archive_contents(archive: Path, directory: Path) -> dict[str, bytes]:
    """Return the files in an archive, by name relative to the directory."""
    files: dict[str, bytes] = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None, member.name
            files[os.path.relpath(f"/{member.name}", directory)] = content.read()
    return files


def log_contents(logs: Path) -> dict[str, bytes]:
    """Return the logs that are to be archived, by name."""
    return {path.name: path.read_bytes() for path in logs.glob("*.log")}


def assert_archive_whole(archive: Path) -> None:
    """Fail unless gzip accepts the archive and no temporary file is left beside it."""
    subprocess.run(["gzip", "-t", archive], check=True)
    assert ArchiveNames(archive.parent, archive.name).list_leftovers() == []
