"""The interface between a cycle and its daemon: files to open, anomalies to report, and when to stop."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from nodelogd.compressor.scan.discovery import GONE
from nodelogd.compressor.scan.log_reader import LogReader, ShrankError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodelogd.compressor.scan.listing import LogFile


ATTEMPTS: Final = 10
"""Reads of a file that shrinks each time; some file systems never report the true length."""


class FileAnomaly(Enum):
    """What is unusual about a file; the names in lower case are label values of the metric."""

    TRUNCATED = auto()
    REPLACED = auto()
    VANISHED = auto()
    UNREADABLE = auto()
    SHRANK = auto()
    EDITED = auto()
    TOO_LARGE = auto()


class StoppedError(Exception):
    """The cycle was told to stop; the previous archive is untouched."""


@dataclass(frozen=True, slots=True)
class FileAccess:
    """How a cycle opens files and reports what is unusual about them, until it is told to stop."""

    open_file: Callable[[LogFile], int]
    """Opens a file for reading and returns its descriptor. Raises OSError."""
    report: Callable[[FileAnomaly, str, str], None]
    """Called for each anomaly with the member's name and a line for the operator."""
    is_stopping: Callable[[], bool]
    """Returns whether to stop at once."""
    lines_wait: bool = True
    """Whether an unfinished line may wait for the next cycle."""

    def report_anomaly(self, anomaly: FileAnomaly, file: LogFile, text: str) -> None:
        """Report an anomaly; `text` continues a sentence that starts with the file's path."""
        self.report(anomaly, file.name, f"{os.fsdecode(file.path)} {text}")

    def check_stop(self) -> None:
        """Raise StoppedError if the cycle is to stop."""
        if self.is_stopping():
            raise StoppedError

    def read(self, file: LogFile, buffer: memoryview, work: Callable[[LogFile, LogReader], None]) -> int:
        """Open a file and call `work` with it, again if the file shrinks meanwhile; return the bytes read.

        A file that is gone or cannot be read is reported and left out.
        """
        try:
            fd = self._open(file)
        except UnreadableError as error:
            self._report_missing(file, error.reason)
            return 0
        try:
            log = LogReader(fd, buffer)
            self._work(file, log, work)
        finally:
            os.close(fd)
        return log.bytes_read

    def can_open(self, file: LogFile) -> bool:
        """Return whether a file can be opened; report it if not."""
        try:
            os.close(self._open(file))
        except UnreadableError as error:
            self._report_missing(file, error.reason)
            return False
        return True

    def inspect(self, file: LogFile, buffer: memoryview, test: Callable[[LogReader], bool]) -> bool:
        """Open a file and return what `test` says of it, or False if it cannot be read; report nothing."""
        try:
            fd = self._open(file)
        except UnreadableError:
            return False
        try:
            return test(LogReader(fd, buffer))
        except (ShrankError, UnreadableError):
            return False
        finally:
            os.close(fd)

    def _open(self, file: LogFile) -> int:
        try:
            return self.open_file(file)
        except OSError as error:
            raise UnreadableError(error) from error

    def _work(self, file: LogFile, log: LogReader, work: Callable[[LogFile, LogReader], None]) -> None:
        for _ in range(ATTEMPTS):
            self.check_stop()
            try:
                return work(file, log)
            except ShrankError:
                self.report_anomaly(FileAnomaly.SHRANK, file, "shrank while it was read; it is read again")
                log.refresh()
            except UnreadableError as error:
                return self._report_missing(file, error.reason)
        return self._report_missing(
            file, OSError(errno.EBUSY, f"it ended before its reported length {ATTEMPTS} times")
        )

    def _report_missing(self, file: LogFile, error: OSError) -> None:
        if error.errno in GONE:
            self.report_anomaly(FileAnomaly.VANISHED, file, "is gone since it was found; it is not archived")
        else:
            self.report_anomaly(
                FileAnomaly.UNREADABLE, file, f"cannot be read: {error.strerror}; it is not archived"
            )
