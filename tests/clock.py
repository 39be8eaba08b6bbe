"""A clock that a test sets while a program runs by it: libfaketime."""

from __future__ import annotations

from pathlib import Path

import pytest


class Clock:
    """The wall clock of the programs that are started by `prefix`; nobody else's."""

    def __init__(self, folder: Path) -> None:
        """Begin with the real time."""
        self._file = folder / "clock"
        # The library for programs with threads; the path has the machine's architecture in it.
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        if library is None:
            pytest.skip("libfaketime is not installed (Debian package faketime)")
        self.set("+0")
        self.prefix = [
            "env",
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            # The monotonic clock is the one that nobody sets: the loop's timers go by it.
            "DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]

    def set(self, offset: str) -> None:
        """Set it so far from the real time, such as `-2d` or `+1y`."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)  # it is read all the time


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Give a clock for the prefix of `logd`."""
    return Clock(tmp_path)
