"""The files beside the log and their names. The name is the state: a start lists the directory.

node_log                                      the active file
node_log-20261122T130000Z-00000042.log[.gz]   sealed: time for people, number for order and uniqueness
node_log.torn-00000043                        what a recovery had to cut off
.node_log.journal                             what is committed
.node_log.lock                                one writer
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SEALED = r"-\d{8}T\d{6}Z-(\d{8,})\.log"
_TORN = r"\.torn-(\d{8,})"


@dataclass(frozen=True, slots=True, order=True)
class SealedFile:
    """A sealed or torn file, which does not change any more; `number` orders them, whatever the clock did."""

    number: int
    path: Path

    @property
    def is_plain(self) -> bool:
        """True while it waits to be compressed."""
        return self.path.suffix == ".log"


@dataclass(frozen=True, slots=True)
class FileNames:
    """All names that belong to one log."""

    log: Path

    @classmethod
    def resolve(cls, log: Path) -> FileNames:
        """Follow symbolic links: all other files are beside what `log` points to. Raises OSError."""
        try:
            names = cls(log.resolve())
        except RuntimeError:  # what Python before 3.13 raises for a loop of links
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(log)) from None
        with suppress(FileNotFoundError):
            mode = names.log.stat().st_mode  # one call: the log may be sealed between two
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(log))
            if not stat.S_ISREG(mode):  # as root we could rename /dev/null away
                raise OSError(errno.EINVAL, "Not a regular file", str(log))
        return names

    @property
    def directory(self) -> Path:
        """The directory of all these files."""
        return self.log.parent

    @property
    def journal(self) -> Path:
        """The journal, which describes what is committed."""
        return self.log.with_name(f".{self.log.name}.journal")

    @property
    def lock(self) -> Path:
        """The lock file, locked by the one writer."""
        return self.log.with_name(f".{self.log.name}.lock")

    def sealed_path(self, number: int, now: float) -> Path:
        """Return the path of a file that is sealed at `now` (seconds since the epoch)."""
        return self.log.with_name(
            f"{self.log.name}-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{number:08}.log"
        )

    def torn_path(self, number: int) -> Path:
        """Return the path for what a recovery cuts off."""
        return self.log.with_name(f"{self.log.name}.torn-{number:08}")

    def unusable_journal_path(self, number: int) -> Path:
        """Return the path for a journal that cannot be used."""
        return self.log.with_name(f".{self.log.name}.journal-{number:08}")

    def sealed_files(self) -> list[SealedFile]:
        """List the sealed and the torn files, oldest first."""
        pattern = re.compile(rf"{re.escape(self.log.name)}(?:{_SEALED}(?:\.gz)?|{_TORN})")
        return sorted(
            SealedFile(int(match[1] or match[2]), path)
            for path in self.directory.iterdir()
            if (match := pattern.fullmatch(path.name))
        )

    def find_sealed(self, status: os.stat_result) -> Path | None:
        """Return the sealed name that a file has already, if it has one."""
        if status.st_nlink > 1:
            for sealed in self.sealed_files():
                with suppress(FileNotFoundError):  # retention was faster
                    if os.path.samestat(sealed.path.stat(), status):
                        return sealed.path
        return None

    def leftovers(self) -> list[Path]:
        """List the temporary files of killed processes; only the holder of the lock may call this."""
        name = re.escape(self.log.name)
        pattern = re.compile(rf"\.(?:\.{name}\.journal|{name}(?:{_SEALED}\.gz|{_TORN})?)\.tmp-\d+-[0-9a-f]+")
        return [path for path in self.directory.iterdir() if pattern.fullmatch(path.name)]

    def last_number(self) -> int:
        """Return the highest number in use, or 0."""
        return max((sealed.number for sealed in self.sealed_files()), default=0)
