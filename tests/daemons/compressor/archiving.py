"""Logs, and the archive that is made of them: what the tests of the compressor share."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

from nodelogd.compressor.cycle import Archive, Case, Outcome, Scrubbed
from nodelogd.compressor.scan.discovery import Found, Where, find, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Place:
    """A directory of logs beside an archive, and a daemon's memory of it."""

    def __init__(self, directory: Path) -> None:
        self.logs = directory / "logs"
        self.logs.mkdir(exist_ok=True)
        self.target = directory / "all-logs.tar.gz"
        self.seed: Path | None = None
        self.archive = Archive()
        self.cases: list[tuple[Case, str]] = []
        self.texts: list[str] = []
        self.stopping: Callable[[], bool] = lambda: False
        self.open_file: Callable[[Found], int] = self.open
        self._where = Where(directory=os.fsencode(self.logs), include=("*",))

    def open(self, found: Found) -> int:
        """Open it as a daemon does."""
        return opened(found, self._where)

    def found(self) -> list[Found]:
        """List all that is there."""
        return find(self._where, lambda _path, _error: None)

    def cycle(self) -> Outcome:
        """Make one; `cases` are those of this one."""
        self.cases = []
        return self.archive.run(
            self.found(), self.open_file, self.target, self.seed, self.report, self.stopping
        )

    def scrub(self) -> Scrubbed:
        """Make one; `cases` are those of this one."""
        self.cases = []
        return self.archive.scrub(self.found(), self.open_file, self.target, self.report, self.stopping)

    def restart(self) -> None:
        """Forget everything, and remove what the last process left, as a daemon does."""
        self.archive = Archive()
        for path in self.target.parent.glob(".*.tmp-*"):
            path.unlink()

    def report(self, case: Case, name: str, text: str) -> None:
        """Hear of a case."""
        self.cases.append((case, os.path.basename(name)))
        self.texts.append(text)

    def members(self) -> dict[str, bytes]:
        """Read the archive as anybody does: file names and contents."""
        contents = {}
        with tarfile.open(self.target, "r:gz", errorlevel=2) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                contents[os.path.basename(member.name)] = file.read()
        return contents

    def leftovers(self) -> list[str]:
        """List what should not be there."""
        ours = {self.logs.name, self.target.name, f"{self.target.name}.index"}
        return [path.name for path in self.target.parent.iterdir() if path.name not in ours]


def lines(seed: int, size: int) -> bytes:
    """Give lines that compress as logs do, the same for the same seed; at least so many bytes."""
    line = b"%d line %%d of a log that says the same thing again and again %%x\n" % seed
    done = bytearray()
    number = seed
    while len(done) < size:
        done += line % (number, number * 2654435761 % 2**32)
        number += 1
    return bytes(done)
