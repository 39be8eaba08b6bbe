"""Whether a descriptor is still ours: programs close descriptors that they do not know, and get the numbers.

A program that makes itself a daemon closes all of them. What is opened next has the number of something that
is closed: to write to it, or to close it, would hit the program's own file or connection.
"""

from __future__ import annotations

import os


class OwnDescriptor:
    """A descriptor, and what it stood for when it was ours."""

    __slots__ = ("_identity", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        status = os.fstat(number)
        self._identity = (status.st_dev, status.st_ino)

    def is_ours(self) -> bool:
        """Return whether the number still stands for the same file or socket."""
        try:
            status = os.fstat(self.number)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def stands_for(self, status: os.stat_result) -> bool:
        """Return whether it is ours, and stands for the file with this status."""
        return (status.st_dev, status.st_ino) == self._identity and self.is_ours()

    def close(self) -> None:
        """Close it if it is ours."""
        if self.is_ours():
            os.close(self.number)
