"""A real `logcd` process, its logs and its archive, for every test that needs one: the fixture `logcd`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from tests.running import PATIENCE, Daemon, wait_for

from nodelogd.compressor.compressor import Compressor, Result
from nodelogd.compressor.metrics import Metrics
from nodelogd.compressor.settings import Settings
from nodelogd.compressor.upkeep.archive_names import Names
from nodelogd.service.disk_budget import Budget

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

LOGCD = Path(sys.executable).parent / "logcd"
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
NAME = "all-logs.tar.gz"  # no date: no test is to fail at midnight


def environment(**variables: str) -> dict[str, str]:
    """Give ours, without what would change a logcd."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LOGCD_")} | variables


def once(
    directory: Path, *options: str, prefix: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `logcd --once` on a directory."""
    command = [
        *prefix,
        str(LOGCD),
        "--once",
        f"--dir={directory}",
        f"--name={NAME}",
        "--keep-free=off",
        *options,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment(**variables)
    )


@contextmanager
def beginning(directory: Path) -> Generator[subprocess.Popen[str]]:
    """Give a `logcd --once` that has begun to write; it has ended behind the block."""
    command = [str(LOGCD), "--once", f"--dir={directory}", f"--name={NAME}", "--keep-free=off"]
    left = set(directory.glob(".*.tmp-*"))  # by one that was killed
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(
                lambda: set(directory.glob(".*.tmp-*")) - left or process.poll() is not None, "it is at it"
            )
            yield process
            process.wait(PATIENCE)
        finally:
            process.kill()


def contents(archive: Path, directory: Path) -> dict[str, bytes]:
    """Give what an archive holds, by names relative to the directory."""
    held: dict[str, bytes] = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None, member.name
            held[os.path.relpath(f"/{member.name}", directory)] = content.read()
    return held


def compressor(logs: Path, **settings: Any) -> Compressor:  # noqa: ANN401 (any of them)
    """Give what logcd is after a start, without a process: to put faults into it, and to start it often."""
    keep = Budget(max_bytes=None, max_files=7, min_free_share=None, always_kept=1)
    return Compressor(Settings(directory=logs, out=logs, name=NAME, keep=keep, **settings), Metrics())


def cycle(made: Compressor) -> Result:
    """Have it make a cycle."""
    return made.cycle(lambda: False, lambda _: False).result


def files(logs: Path) -> dict[str, bytes]:
    """Give what is to be archived."""
    return {path.name: path.read_bytes() for path in logs.glob("*.log")}


def assert_whole(archive: Path) -> None:
    """Fail unless gzip takes it, and nobody left anything half-made beside it."""
    subprocess.run(["gzip", "-t", archive], check=True)
    assert Names(archive.parent, archive.name).leftovers() == []


class Logcd(Daemon):
    """One `logcd`: its directory and its archive."""

    def __init__(
        self, directory: Path, options: Sequence[str], env: dict[str, str], prefix: Sequence[str]
    ) -> None:
        """Start it and wait until it listens; `prefix` is a program that executes it."""
        self.directory = directory
        self.archive = directory / NAME
        self._options = options
        super().__init__(env, prefix)

    def command(self) -> list[str]:
        """Work for once a day unless told otherwise: `cycle` wakes it."""
        ports = f"--http=127.0.0.1:{self.http_port}"
        options = (f"--dir={self.directory}", f"--name={NAME}", "--keep-free=off", "--every=1d")
        return [str(LOGCD), *options, ports, *self._options]

    def cycles(self) -> float:
        """Give how many have ended since the start."""
        return self.metric("nodelog_archive_cycles_total")

    def cycle(self) -> None:
        """Have it make one, and return once it has ended."""
        before = self.cycles()
        self.signal(signal.SIGHUP)
        wait_for(lambda: self.cycles() > before, "a cycle has ended")

    def settle(self) -> None:
        """Return once a cycle has ended that began now, or later."""
        self.cycle()
        self.cycle()

    def contents(self) -> dict[str, bytes]:
        """Give what the archive holds."""
        return contents(self.archive, self.directory)


class StartLogcd(Protocol):
    """What the fixture `logcd` is."""

    def __call__(
        self,
        *options: str,
        directory: Path | None = None,
        ready: bool = True,
        prefix: Sequence[str] = (),
        **variables: str,
    ) -> Logcd:
        """Start a logcd with more options and variables; unless told otherwise wait until it is ready."""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Make a directory for logs."""
    path = tmp_path / "log"
    path.mkdir()
    return path


@pytest.fixture
def nobodys_logs() -> Generator[Path]:
    """Make a directory for logs of somebody who is not root; pytest's own folders are closed to them."""
    if os.geteuid() != 0:
        pytest.skip("becoming somebody else needs root")
    with tempfile.TemporaryDirectory() as path:
        os.chown(path, NOBODY, NOBODY)
        yield Path(path)


@pytest.fixture
def logcd(logs: Path) -> Generator[StartLogcd]:
    """Start logcd on free ports; whatever still runs after the test is killed."""
    with ExitStack() as stack:

        def start(
            *options: str,
            directory: Path | None = None,
            ready: bool = True,
            prefix: Sequence[str] = (),
            **variables: str,
        ) -> Logcd:
            started = Logcd(directory or logs, options, environment(**variables), prefix)
            stack.callback(started.close)
            if ready:
                started.wait_ready()
            return started

        yield start
