"""Clients of the exactly-once test: `nodelog pipe` on a spool, fed with numbered lines, killed and restarted.

What a client has printed was in its spool. No number is fed twice, so the fate of every line can be
determined: each process of a client has a connection number of its own, and its lines count from 0.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.soak.loads import NODELOG
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nodelog.load.line_format import LineFormat

PAUSE = 0.1
"""Seconds between blocks of lines."""
MAX_BACKLOG = 5.0
"""Seconds of lines that are fed at once at most, to a client that has not read for a while."""
KILL_WINDOW = 0.01
"""Seconds after a block within which a client is killed: while it reads, spools, prints or sends it."""
DRAIN_TIMEOUT = 180.0
"""Seconds in which a client must end after the end of its input."""
KILLED = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The lines that all clients are fed with."""

    layout: LineFormat
    rate: float
    """Lines per second and client."""
    connections: Iterator[int]
    """A number for each process of a client."""


@dataclass(slots=True)
class ClientProcess:
    """One process of a client: the lines fed to it, and those it has put into its spool."""

    connection: int
    fed: int = 0
    spooled: int = 0


class PipeClient:
    """One spool in a folder, and its processes, one after the other."""

    def __init__(self, name: str, folder: Path, port: int, feed: Feed) -> None:
        """Prepare the command and the thread."""
        self.processes: list[ClientProcess] = []
        self.faults: list[str] = []
        self._name = name
        self._printed = folder / f"{name}.printed"
        self._stderr = folder / f"{name}.stderr"
        self._command = [
            str(NODELOG),
            "pipe",
            "--tee",
            f"--spool={folder / name}.spool",
            "--host=127.0.0.1",
            f"--port={port}",
            f"--name={name}",
        ]
        self._feed_settings = feed
        self._process: subprocess.Popen[bytes] | None = None
        self._to_kill = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def kills(self) -> int:
        """How often it was killed and restarted."""
        return len(self.processes) - 1

    def start(self) -> None:
        """Start the client."""
        self._thread.start()

    def kill(self) -> None:
        """Kill and restart it as soon as its current process has lines in its spool."""
        self._to_kill.set()

    def stop_feeding(self) -> None:
        """End its input."""
        self._ended.set()

    def join(self) -> None:
        """Wait until it has ended by itself: then everything in its spool is acknowledged."""
        self._thread.join()

    def abandon(self) -> None:
        """Kill it, whatever is in its spool."""
        self._ended.set()
        if self._process is not None:
            self._process.kill()  # no effect once it has ended
        self._thread.join(PATIENCE)

    def wait_until_fed(self) -> None:
        """Wait for a requested kill, and until its process has lines in its spool."""
        wait_for(
            lambda: not self._thread.is_alive() or (not self._to_kill.is_set() and self._has_printed()),
            f"{self._name} has lines in its spool",
        )

    def _run(self) -> None:
        while not self._run_process():
            pass

    def _run_process(self) -> bool:
        """Run a process; return False if it was killed and must be restarted."""
        current = ClientProcess(next(self._feed_settings.connections))
        with self._printed.open("wb") as printed, self._stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=printed, stderr=stderr, bufsize=0
            )
        self.processes.append(current)
        with self._process:
            was_killed = self._feed(current)
            code = self._wait()
        current.spooled = self._printed.stat().st_size // self._feed_settings.layout.line_size
        if was_killed and code == KILLED:
            return False
        if code:
            self.faults.append(f"{self._name} exited with {code}: {self._last_stderr()}")
        return True

    def _feed(self, current: ClientProcess) -> bool:
        """Feed it until the end of input; return True if it was killed on request before."""
        assert self._process is not None
        assert self._process.stdin is not None
        line, rate = self._feed_settings.layout.format_line, self._feed_settings.rate
        start = time.monotonic()
        try:
            while not self._ended.wait(PAUSE):
                due = round((time.monotonic() - start) * rate)
                end = min(due, current.fed + round(MAX_BACKLOG * rate))
                lines = b"".join(line(current.connection, n) for n in range(current.fed, end))
                current.fed = end  # before the write: a part of it may be read
                os.write(self._process.stdin.fileno(), lines)
                if self._to_kill.is_set() and self._has_printed():
                    time.sleep(random.random() * KILL_WINDOW)  # noqa: S311 (no secret)
                    self._process.kill()
                    self._to_kill.clear()
                    return True
        except BrokenPipeError:
            pass
        finally:
            self._process.stdin.close()
        return False

    def _wait(self) -> int:
        assert self._process is not None
        try:
            return self._process.wait(DRAIN_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.faults.append(f"{self._name} has not drained {DRAIN_TIMEOUT:g} s after the end of its input")
            self._process.kill()
            return self._process.wait(PATIENCE)

    def _has_printed(self) -> bool:
        return self._printed.exists() and self._printed.stat().st_size > 0

    def _last_stderr(self) -> str:
        return self._stderr.read_text(errors="replace").strip()[-500:] or "nothing on stderr"
