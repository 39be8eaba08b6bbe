"""A real `logcd` process with its logs and its archive: the fixtures `logcd` and `logs`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.archive_contents import archive_contents
from tests.processes.daemon import Daemon
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

LOGCD = Path(sys.executable).parent / "logcd"
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
ARCHIVE_NAME = "all-logs.tar.gz"  # without a date, or a test could fail at midnight


def logcd_environment(**variables: str) -> dict[str, str]:
    """Return our environment without the variables of logcd, plus these variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LOGCD_")} | variables


def run_logcd_once(
    directory: Path, *options: str, prefix: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `logcd --once` on a directory."""
    command = [
        *prefix,
        str(LOGCD),
        "--once",
        f"--dir={directory}",
        f"--name={ARCHIVE_NAME}",
        "--keep-free=off",
        *options,
    ]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env=logcd_environment(**variables),
    )


def write_incompressible(path: Path) -> None:
    """Write a log of 1 GiB that takes many seconds to compress: holes would cost nothing."""
    block = os.urandom(1024 * 1024)  # further apart than deflate looks back
    with path.open("wb") as file:
        for _ in range(1024):
            file.write(block)
        file.write(b"\n")


@contextmanager
def logcd_once_writing(directory: Path) -> Generator[subprocess.Popen[str]]:
    """Yield a `logcd --once` that has started to write; wait for its end after the block."""
    command = [str(LOGCD), "--once", f"--dir={directory}", f"--name={ARCHIVE_NAME}", "--keep-free=off"]
    old = set(directory.glob(".*.tmp-*"))  # left by a killed one
    with subprocess.Popen(command, env=logcd_environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(
                lambda: set(directory.glob(".*.tmp-*")) - old or process.poll() is not None,
                "logcd writes its archive",
            )
            yield process
            process.wait(PATIENCE)
        finally:
            process.kill()


class Logcd(Daemon):
    """A `logcd` process, its directory and its archive."""

    def __init__(
        self, directory: Path, options: Sequence[str], env: dict[str, str], prefix: Sequence[str]
    ) -> None:
        """Start it and wait until it listens; `prefix` is a program that executes it."""
        self.directory = directory
        self.archive = directory / ARCHIVE_NAME
        self._options = options
        super().__init__(env, prefix)

    def command(self) -> list[str]:
        """Return a command line with one cycle a day, unless changed by an option; `cycle` triggers one."""
        ports = f"--http=127.0.0.1:{self.http_port}"
        options = (f"--dir={self.directory}", f"--name={ARCHIVE_NAME}", "--keep-free=off", "--every=1d")
        return [str(LOGCD), *options, ports, *self._options]

    def cycles(self) -> float:
        """Return the number of cycles that have ended since the start."""
        return self.metric("nodelog_archive_cycles_total")

    def cycle(self) -> None:
        """Trigger a cycle and wait until one has ended."""
        before = self.cycles()
        self.signal(signal.SIGHUP)
        wait_for(lambda: self.cycles() > before, "a cycle has ended")

    def settle(self) -> None:
        """Wait until a cycle has ended that started now or later."""
        self.cycle()
        self.cycle()

    def contents(self) -> dict[str, bytes]:
        """Return the files in the archive, by name relative to the directory."""
        return archive_contents(self.archive, self.directory)


class StartLogcd(Protocol):
    """The type of the fixture `logcd`."""

    def __call__(
        self,
        *options: str,
        directory: Path | None = None,
        ready: bool = True,
        prefix: Sequence[str] = (),
        **variables: str,
    ) -> Logcd:
        """Start a logcd with these options and variables; with `ready`, wait until it is ready."""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return a new directory for logs."""
    path = tmp_path / "log"
    path.mkdir()
    return path


@pytest.fixture
def nobodys_logs() -> Generator[Path]:
    """Yield a directory for logs of a user who is not root; pytest's own folders are closed to that user."""
    if os.geteuid() != 0:
        pytest.skip("switching to another user needs root")
    with tempfile.TemporaryDirectory() as path:
        os.chown(path, NOBODY, NOBODY)
        yield Path(path)


@pytest.fixture
def logcd(logs: Path) -> Generator[StartLogcd]:
    """Return a function that starts logcd on free ports; after the test, those still running are killed."""
    with ExitStack() as stack:

        def start(
            *options: str,
            directory: Path | None = None,
            ready: bool = True,
            prefix: Sequence[str] = (),
            **variables: str,
        ) -> Logcd:
            started = Logcd(directory or logs, options, logcd_environment(**variables), prefix)
            stack.callback(started.close)
            if ready:
                started.wait_ready()
            return started

        yield start
