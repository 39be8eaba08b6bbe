"""The cells of the matrix: real programs that log through the client, and what each must deliver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.ports import held_port, port_of
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

HERE: Final = Path(__file__).parent
BIN: Final = Path(sys.executable).parent
REQUESTS: Final = 20

PROCESSES: Final = (
    "plain",
    "threads",
    "fork",
    "spawn",
    "forkserver",
    "pool",
    "executor",
    "asyncio_cancelled",
)
GUNICORN: Final = {
    f"gunicorn-{worker}{'-preload' if preload else ''}": ["-k", worker, *preload]
    for worker in ("sync", "gthread", "gevent")
    for preload in ([], ["--preload"])
}
UVICORN: Final = {"uvicorn-workers": ["--workers", "2"], "uvicorn-reload": ["--reload"]}
NAMES: Final = (
    *PROCESSES,
    "sub_interpreter",
    "python-daemon",
    *GUNICORN,
    "uvicorn-run",
    *UVICORN,
    "celery-prefork",
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a cell did: the lines that it logged, and what it printed on standard error."""

    count: int
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One program, with its lines in memory or in a file."""

    name: str
    has_spool: bool
    port: int
    """The collector's."""
    folder: Path
    """Of this cell alone."""
    is_stored: Callable[[str, int], bool]
    """Whether so many lines of a cell are stored."""

    @property
    def label(self) -> str:
        """What its lines begin with."""
        return f"{self.name}/{'spool' if self.has_spool else 'memory'}"

    def run(self) -> Outcome:
        """Run it to its end."""
        if self.name in GUNICORN:
            # A worker that is told to end while it starts does not hear it, and is killed after a while.
            options = ["--workers=2", "--threads=2", "--graceful-timeout=2", "--log-level=critical"]
            options += [
                f"--control-socket={self.folder / 'gunicorn.ctl'}"
            ]  # else one for all, in the home folder
            command: list[str | Path] = [BIN / "gunicorn", *options, *GUNICORN[self.name], "web_program:wsgi"]
            return self._serve(lambda port: [*command, f"--bind=127.0.0.1:{port}"])
        if self.name in UVICORN:
            options = ["--log-level", "critical", *UVICORN[self.name], "web_program:asgi"]
            return self._serve(lambda port: [BIN / "uvicorn", f"--port={port}", *options])
        if self.name == "uvicorn-run":
            return self._serve(lambda _: [sys.executable, HERE / "web_program.py"])
        if self.name == "celery-prefork":
            return self._run_celery()
        if self.name == "python-daemon":
            return self._run_to_end("daemon_program.py")
        return self._run_to_end("processes_program.py", self.name)

    def _environment(self, **variables: str) -> dict[str, str]:
        spool = {"SPOOL": str(self.folder / "spool")} if self.has_spool else {}
        own = {
            "PORT": str(self.port),
            "CELL": self.label,
            "FOLDER": str(self.folder),
            "PYTHONPATH": str(HERE),
        }
        return {**os.environ, **own, **spool, **variables}

    def _run_to_end(self, *arguments: str) -> Outcome:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command,
            cwd=HERE,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Outcome(count=int(done.stdout), stderr=done.stderr)

    def _serve(self, command: Callable[[int], list[str | Path]]) -> Outcome:
        """Run a web server, have it answer some requests, and end it as an operator does."""
        with held_port() as held:
            port = port_of(held)
            server = self._start(command(port), WEB_PORT=str(port))
            try:
                for number in range(REQUESTS):
                    url = f"http://127.0.0.1:{port}/{number}"
                    wait_for(partial(answers, server, url), f"{self.label} answers")
            finally:
                outcome = self._stop(server)
            return outcome

    def _run_celery(self) -> Outcome:
        """Run a worker until its tasks are done, and end it as an operator does."""
        tasks = {"TASKS": str(REQUESTS)}
        subprocess.run(
            [sys.executable, "celery_program.py"], cwd=HERE, env=self._environment(**tasks), check=True
        )
        options = ["--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle"]
        worker = self._start([BIN / "celery", "-A", "celery_program", "worker", *options])
        try:
            wait_for(lambda: worker.poll() is not None or self.is_stored(self.label, REQUESTS), self.label)
        finally:
            outcome = self._stop(worker)
        return outcome

    def _start(self, command: list[str | Path], **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=HERE,
            env=self._environment(**variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _stop(self, process: subprocess.Popen[str]) -> Outcome:
        """End a server that has done its REQUESTS."""
        process.send_signal(signal.SIGTERM)
        try:
            _, stderr = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Outcome(count=REQUESTS, stderr=stderr)


def answers(server: subprocess.Popen[str], url: str) -> bool:
    """Return whether a web server answers, or has ended."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 (it is always http)
        return True
    return server.poll() is not None
