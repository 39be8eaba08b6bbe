"""The files beside the log and their names: the name is the state, a start lists the directory.

node_log                                      the active file
node_log-20261122T130000Z-00000042.log[.gz]   sealed: time to read, number to order and to be unique
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
class Sealed:
    """A file that is finished: `number` orders them all, whatever the clock did."""

    number: int
    path: Path

    @property
    def is_plain(self) -> bool:
        """True while it waits to be compressed."""
        return self.path.suffix == ".log"


@dataclass(frozen=True, slots=True)
class Names:
    """All names that belong to one log."""

    log: Path

    @classmethod
    def of(cls, log: Path) -> Names:
        """Follow symbolic links: everything else lives beside what `log` points to. Raises OSError."""
        try:
            names = cls(log.resolve())
        except RuntimeError:  # what Python before 3.13 makes of a loop of links
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(log)) from None
        with suppress(FileNotFoundError):
            mode = names.log.stat().st_mode  # asked once: it may be sealed between two questions
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(log))
            if not stat.S_ISREG(mode):  # as root we could rename /dev/null away
                raise OSError(errno.EINVAL, "Not a regular file", str(log))
        return names

    @property
    def directory(self) -> Path:
        """Where all of them are."""
        return self.log.parent

    @property
    def journal(self) -> Path:
        """Says what is committed."""
        return self.log.with_name(f".{self.log.name}.journal")

    @property
    def lock(self) -> Path:
        """Locked by the one writer."""
        return self.log.with_name(f".{self.log.name}.lock")

    def sealed(self, number: int, now: float) -> Path:
        """Name a file that is sealed at `now` (seconds since the epoch)."""
        return self.log.with_name(
            f"{self.log.name}-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{number:08}.log"
        )

    def torn(self, number: int) -> Path:
        """Name what a recovery cuts off."""
        return self.log.with_name(f"{self.log.name}.torn-{number:08}")

    def aside(self, number: int) -> Path:
        """Name a journal that cannot be used."""
        return self.log.with_name(f".{self.log.name}.journal-{number:08}")

    def finished(self) -> list[Sealed]:
        """List the sealed and the torn files, the oldest first."""
        ours = re.compile(rf"{re.escape(self.log.name)}(?:{_SEALED}(?:\.gz)?|{_TORN})")
        return sorted(
            Sealed(int(match[1] or match[2]), path)
            for path in self.directory.iterdir()
            if (match := ours.fullmatch(path.name))
        )

    def sealed_as(self, status: os.stat_result) -> Path | None:
        """Give the name under which this file is sealed already, if it is."""
        if status.st_nlink > 1:
            for sealed in self.finished():
                with suppress(FileNotFoundError):  # retention was faster
                    if os.path.samestat(sealed.path.stat(), status):
                        return sealed.path
        return None

    def leftovers(self) -> list[Path]:
        """List what killed processes left half-made; only for the holder of the lock."""
        name = re.escape(self.log.name)
        half = re.compile(rf"\.(?:\.{name}\.journal|{name}(?:{_SEALED}\.gz|{_TORN}))\.tmp-\d+-[0-9a-f]+")
        return [path for path in self.directory.iterdir() if half.fullmatch(path.name)]

    def last(self) -> int:
        """Give the highest number that is in use."""
        return max((sealed.number for sealed in self.finished()), default=0)
