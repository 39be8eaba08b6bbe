"""A fake wall clock for programs, which a test sets while they run: libfaketime."""

from __future__ import annotations

from pathlib import Path

import pytest


class FakeClock:
    """The wall clock of programs whose command starts with `prefix`."""

    def __init__(self, folder: Path) -> None:
        """Start at the real time."""
        self._file = folder / "clock"
        # The library for programs with threads; its path contains the machine's architecture.
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        if library is None:
            pytest.skip("libfaketime is not installed (Debian package faketime)")
        self.set("+0")
        self.prefix = [
            "env",
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            # The monotonic clock stays real: nobody can set it, and the loop's timers use it.
            "DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]

    def set(self, offset: str) -> None:
        """Set its offset from the real time, such as `-2d` or `+1y`."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)  # programs read it at every call


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    """Return a fake clock; its prefix is for the fixture `logd`."""
    return FakeClock(tmp_path)
