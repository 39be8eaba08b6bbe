"""Lines at the end of a file that others rotate, remove or empty whenever they like."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from nodelog.backoff import delays

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nodelog.commands.stop_signals import Stop


class UnusableFileError(Exception):
    """The file cannot be written; the message is one line for an operator."""


class File:
    """The file at `path`, made if there is none, also later. Raises UnusableFileError if it cannot begin."""

    is_done = True

    def __init__(self, path: Path, stop: Stop, say: Callable[[str], None]) -> None:
        self._path = path
        self._stop = stop
        self._say = say
        self._failing = False
        try:
            self._fd = self._opened()
        except OSError as error:
            raise UnusableFileError(f"cannot write {path}: {error.strerror}; give another --file") from None

    def wait(self, seconds: float) -> bool:
        """Wait so long; True as soon as it is time to stop."""
        return self._stop.wait(seconds)

    def send(self, line: bytes) -> bool:
        """Append a line, however long the disk is full; False if told to stop before."""
        pauses = delays(random.random)
        rest = memoryview(line)
        while rest:
            try:
                if len(rest) == len(line):  # else the end of the line belongs where its beginning is
                    self._follow()
                rest = rest[os.write(self._fd, rest) :]
            except OSError as error:
                self._report(error)
                if self._stop.wait(next(pauses)):
                    return False
        self._failing = False
        return True

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def report(self, sent: int) -> str:
        """Tell what was done."""
        return f"{sent} lines written to {self._path}"

    def _opened(self) -> int:
        # Appending goes to the end that the file has at that moment: an emptied one needs no more. To open a
        # pipe that nobody reads would wait, and no signal would end it.
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self._path, how, 0o644)

    def _follow(self) -> None:
        """See that what is open is the file that has the name."""
        try:
            in_place = os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            in_place = False
        if not in_place:
            new = self._opened()
            os.close(self._fd)
            self._fd = new

    def _report(self, error: OSError) -> None:
        """Say it once per failure, not once per try."""
        if not self._failing:
            self._failing = True
            self._say(f"cannot write {self._path}: {error.strerror}; trying again, nothing is skipped")
