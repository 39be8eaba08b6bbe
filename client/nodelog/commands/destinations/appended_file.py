"""Lines appended to a file that others may rotate, remove or truncate at any time."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from nodelog.backoff import delays

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelog.commands.stop_signals import StopSignals


class UnusableFileError(Exception):
    """The file cannot be written; the message is one line for an operator."""


class AppendedFile:
    """The file at `path`, created whenever it is missing. Raises UnusableFileError if that fails at first."""

    is_complete = True

    def __init__(self, path: Path, stop: StopSignals, on_message: Callable[[str], None]) -> None:
        self._path = path
        self._stop = stop
        self._on_message = on_message
        self._failing = False
        try:
            self._fd = self._open()
        except OSError as error:
            raise UnusableFileError(f"cannot write {path}: {error.strerror}; choose another --file") from None

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True as soon as there was a stop signal."""
        return self._stop.wait(seconds)

    def send(self, line: bytes) -> bool:
        """Append a line, retrying while the disk is full; return False if a stop signal came first."""
        pauses = delays(random.random)
        rest = memoryview(line)
        while rest:
            try:
                if len(rest) == len(line):  # else the rest of the line belongs where its beginning is
                    self._reopen_if_replaced()
                rest = rest[os.write(self._fd, rest) :]
            except OSError as error:
                self._report(error)
                if self._stop.wait(next(pauses)):
                    return False
        self._failing = False
        return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def summary(self, sent: int) -> str:
        """Return what was done, in one line."""
        return f"{sent} lines written to {self._path}"

    def _open(self) -> int:
        # O_APPEND writes to whatever the end is at that moment, so a truncated file needs no special care.
        # Without O_NONBLOCK, opening a pipe that nobody reads would block, and no signal would end that.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self._path, flags, 0o644)

    def _reopen_if_replaced(self) -> None:
        """Open the path again if it no longer names the open file."""
        try:
            in_place = os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            in_place = False
        if not in_place:
            new = self._open()
            os.close(self._fd)
            self._fd = new

    def _report(self, error: OSError) -> None:
        """Report a failure once, not at every retry."""
        if not self._failing:
            self._failing = True
            self._on_message(f"cannot write {self._path}: {error.strerror}; trying again, nothing is skipped")
