"""System calls of a process that fail on demand: libfiu."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.processes.logd import Logd


class Faults:
    """Faults in a program whose command starts with `prefix`, at points such as `posix/io/sync/fdatasync`.

    Not at `posix/io/rw/write`: libuv aborts if it cannot write to the descriptor that wakes its loop.
    """

    def __init__(self, folder: Path) -> None:
        """Start without faults."""
        if shutil.which("fiu-run") is None:
            pytest.skip("libfiu is not installed (Debian package fiu-utils)")
        self._control = folder / "control"  # pipes; not beside the log
        self.prefix = ["fiu-run", "-x", "-f", str(self._control)]

    @contextmanager
    def failing(self, logd: Logd, point: str, error: int, *, probability: float = 1.0) -> Generator[None]:
        """Let calls fail with this errno until the block ends."""
        chance = f"enable_random probability={probability}" if probability < 1.0 else "enable"
        command, _, option = chance.partition(" ")
        self._control_fiu(logd, f"{command} name={point},failinfo={error},{option}".rstrip(","))
        try:
            yield
        finally:
            self._control_fiu(logd, f"disable name={point}")

    def fail_once(self, logd: Logd, point: str, error: int) -> None:
        """Let only the next call fail."""
        self._control_fiu(logd, f"enable name={point},onetime,failinfo={error}")

    def _control_fiu(self, logd: Logd, command: str) -> None:
        subprocess.run(
            ["fiu-ctrl", "-f", self._control, "-c", command, str(logd.pid)], check=True, timeout=PATIENCE
        )


@pytest.fixture
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """Return faults; their prefix is for the fixture `logd`."""
    return Faults(tmp_path_factory.mktemp("fiu"))
