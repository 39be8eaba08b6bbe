"""A directory of logs with an archive, shared by the compressor's tests."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

from nodelogd.compressor.archive_updater import ArchiveUpdater
from nodelogd.compressor.scan.discovery import ScanSettings, find_log_files, open_log_file
from nodelogd.compressor.scan.file_access import FileAccess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelogd.compressor.archive_updater import UpdateReport
    from nodelogd.compressor.scan.file_access import FileAnomaly
    from nodelogd.compressor.scan.listing import Listing, LogFile
    from nodelogd.compressor.upkeep.archive_scrub import ScrubResult


class Workspace:
    """A directory of logs, the archive beside it, and the updater of a daemon."""

    def __init__(self, directory: Path) -> None:
        self.logs = directory / "logs"
        self.logs.mkdir(exist_ok=True)
        self.target = directory / "all-logs.tar.gz"
        self.seed: Path | None = None
        self.updater = ArchiveUpdater()
        self.anomalies: list[tuple[FileAnomaly, str]] = []
        """Those of the last update or scrub, each with the name of the file."""
        self.texts: list[str] = []
        self.is_stopping: Callable[[], bool] = lambda: False
        self.lines_wait = True
        self.open_file: Callable[[LogFile], int] = self.open
        self._settings = ScanSettings(directory=os.fsencode(self.logs), include=("*",))

    def open(self, file: LogFile) -> int:
        """Open a file as a daemon does."""
        return open_log_file(file, self._settings)

    def files(self) -> Listing:
        """Return all log files."""
        return find_log_files(self._settings, lambda _path, _error: None)

    def update(self) -> UpdateReport:
        """Update the archive."""
        return self.updater.update(self.files(), self._access(), self.target, self.seed)

    def scrub(self) -> ScrubResult:
        """Scrub the archive."""
        return self.updater.scrub(self.files(), self._access(), self.target)

    def _access(self) -> FileAccess:
        self.anomalies = []
        return FileAccess(self.open_file, self._report, self.is_stopping, lines_wait=self.lines_wait)

    def _report(self, anomaly: FileAnomaly, name: str, text: str) -> None:
        self.anomalies.append((anomaly, os.path.basename(name)))
        self.texts.append(text)

    def restart(self) -> None:
        """Forget everything and remove temporary files, as a new daemon does."""
        self.updater = ArchiveUpdater()
        for path in self.target.parent.glob(".*.tmp-*"):
            path.unlink()

    def members(self) -> dict[str, bytes]:
        """Read the archive with Python's tarfile: contents by file name."""
        contents = {}
        with tarfile.open(self.target, "r:gz", errorlevel=2) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                contents[os.path.basename(member.name)] = file.read()
        return contents

    def contents(self) -> dict[str, bytes]:
        """Return the contents of the logs by file name."""
        return {path.name: path.read_bytes() for path in self.logs.iterdir()}

    def leftovers(self) -> list[str]:
        """List files beside the archive that should not exist."""
        expected = {self.logs.name, self.target.name, f"{self.target.name}.index"}
        return [path.name for path in self.target.parent.iterdir() if path.name not in expected]


def log_lines(seed: int, size: int) -> bytes:
    """Return at least `size` bytes of lines that compress as logs do, the same for the same seed."""
    line = b"%d line %%d of a log that says the same thing again and again %%x\n" % seed
    done = bytearray()
    number = seed
    while len(done) < size:
        done += line % (number, number * 2654435761 % 2**32)
        number += 1
    return bytes(done)
