"""System calls that fail when a test says so: libfiu."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.running import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.running import Logd


class Faults:
    """Faults in the program that is started by `prefix`, at points such as `posix/io/sync/fdatasync`.

    Not at `posix/io/rw/write`: libuv aborts when it cannot write to the descriptor it wakes its loop by.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with none."""
        if shutil.which("fiu-run") is None:
            pytest.skip("libfiu is not installed (Debian package fiu-utils)")
        self._control = folder / "control"  # pipes; not beside the log
        self.prefix = ["fiu-run", "-x", "-f", str(self._control)]

    @contextmanager
    def failing(self, logd: Logd, point: str, error: int, *, probability: float = 1.0) -> Generator[None]:
        """Let calls fail with this errno as long as the block lasts."""
        chance = f"enable_random probability={probability}" if probability < 1.0 else "enable"
        command, _, option = chance.partition(" ")
        self._tell(logd, f"{command} name={point},failinfo={error},{option}".rstrip(","))
        try:
            yield
        finally:
            self._tell(logd, f"disable name={point}")

    def fail_once(self, logd: Logd, point: str, error: int) -> None:
        """Let the next call fail."""
        self._tell(logd, f"enable name={point},onetime,failinfo={error}")

    def _tell(self, logd: Logd, command: str) -> None:
        subprocess.run(
            ["fiu-ctrl", "-f", self._control, "-c", command, str(logd.pid)], check=True, timeout=PATIENCE
        )


@pytest.fixture
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """Give faults for the prefix of `logd`."""
    return Faults(tmp_path_factory.mktemp("fiu"))
