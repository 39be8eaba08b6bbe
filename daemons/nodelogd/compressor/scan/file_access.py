"""What a cycle needs of the world: files to open, somebody to tell, and a word when to end."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.scan.discovery import GONE
from nodelogd.compressor.scan.log_reader import Log, ShrankError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.compressor.scan.discovery import Found


TRIALS: Final = 10
"""So often a file is read anew that shrinks meanwhile: there are file systems that never tell the length."""


class Case(Enum):
    """What is unusual about a file."""

    TRUNCATED = auto()
    REPLACED = auto()
    VANISHED = auto()
    UNREADABLE = auto()
    SHRANK = auto()
    EDITED = auto()


class StoppedError(Exception):
    """Somebody asked us to end; the last archive stands."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The seam between a cycle and its daemon."""

    open_file: Callable[[Found], int]
    """Opens a file for reading. Raises OSError."""
    report: Callable[[Case, str, str], None]
    """Hears of each unusual case: of which member, and a line for an operator."""
    stopping: Callable[[], bool]
    """Says whether to end at once."""

    def tell(self, case: Case, found: Found, text: str) -> None:
        """Report a case; the text goes on from the file's name."""
        self.report(case, found.name, f"{os.fsdecode(found.path)} {text}")

    def check(self) -> None:
        """Raise StoppedError if somebody wants us to end."""
        if self.stopping():
            raise StoppedError

    def read(self, found: Found, buffer: memoryview, work: Callable[[Found, Log], None]) -> int:
        """Open a file and have it worked on, again if it shrinks meanwhile; give the bytes that were read.

        A file that is gone or cannot be read is told of and left out.
        """
        try:
            fd = self._open(found)
        except UnreadableError as error:
            self._miss(found, error.reason)
            return 0
        try:
            log = Log(fd, buffer)
            self._work(found, log, work)
        finally:
            os.close(fd)
        return log.bytes_read

    def can_open(self, found: Found) -> bool:
        """Say whether a file can be opened; tell of one that cannot be."""
        try:
            os.close(self._open(found))
        except UnreadableError as error:
            self._miss(found, error.reason)
            return False
        return True

    def peek(self, found: Found, buffer: memoryview, look: Callable[[Log], bool]) -> bool:
        """Open a file and have it looked into; False if it cannot be."""
        try:
            fd = self._open(found)
        except UnreadableError:
            return False
        try:
            return look(Log(fd, buffer))
        except (ShrankError, UnreadableError):
            return False
        finally:
            os.close(fd)

    def _open(self, found: Found) -> int:
        try:
            return self.open_file(found)
        except OSError as error:
            raise UnreadableError(error) from error

    def _work(self, found: Found, log: Log, work: Callable[[Found, Log], None]) -> None:
        for _ in range(TRIALS):
            self.check()
            try:
                return work(found, log)
            except ShrankError:
                self.tell(Case.SHRANK, found, "shrank while it was read; it is read anew")
                log.look()
            except UnreadableError as error:
                return self._miss(found, error.reason)
        return self._miss(found, OSError(errno.EBUSY, f"it ended before its length {TRIALS} times"))

    def _miss(self, found: Found, error: OSError) -> None:
        if error.errno in GONE:
            self.tell(Case.VANISHED, found, "is gone since it was found; it is not archived")
        else:
            self.tell(Case.UNREADABLE, found, f"cannot be read: {error.strerror}; it is not archived")
