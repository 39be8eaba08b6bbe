"""Clients of the proof: `nodelog pipe` on a spool, fed with numbered lines, killed, and started again.

What it has printed was in its spool. As no number is fed twice, not in another life either, what becomes of
each line can be told: a life has a connection number of its own, and its lines count from 0.
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
"""Seconds from one block of lines to the next."""
LATE = 5.0
"""Seconds of lines that are fed at once at most, to a client that has not read for long."""
AMID = 0.01
"""Seconds after a block within which it is killed: as it reads, spools, prints, or sends it."""
DRAIN = 180.0
"""Seconds in which a client has to end once its input has ended."""
KILLED = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What all clients are fed with."""

    layout: LineFormat
    rate: float
    """Lines per second, of a client."""
    connections: Iterator[int]
    """A number for each life."""


@dataclass(slots=True)
class Life:
    """One process of a client: lines handed to it, and those it has put into its spool."""

    connection: int
    fed: int = 0
    spooled: int = 0


class Client:
    """One spool in a folder, and its processes, one after the other."""

    def __init__(self, name: str, folder: Path, port: int, feed: Feed) -> None:
        """Prepare."""
        self.lives: list[Life] = []
        self.faults: list[str] = []
        self._name = name
        self._printed = folder / f"{name}.printed"
        self._said = folder / f"{name}.stderr"
        self._command = [
            str(NODELOG),
            "pipe",
            "--tee",
            f"--spool={folder / name}.spool",
            "--host=127.0.0.1",
            f"--port={port}",
            f"--name={name}",
        ]
        self._given = feed
        self._process: subprocess.Popen[bytes] | None = None
        self._to_kill = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def kills(self) -> int:
        """How often it was killed and started again."""
        return len(self.lives) - 1

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def kill(self) -> None:
        """Have it killed as soon as it has lines of this life in its spool, and started again."""
        self._to_kill.set()

    def end(self) -> None:
        """Feed no more."""
        self._ended.set()

    def join(self) -> None:
        """Return once it has ended by itself: all that is in its spool is acknowledged."""
        self._thread.join()

    def abandon(self) -> None:
        """Leave nothing running, whatever is in its spool."""
        self._ended.set()
        if self._process is not None:
            self._process.kill()  # does nothing once it has ended
        self._thread.join(PATIENCE)

    def wait_until_fed(self) -> None:
        """Return once it was killed, if it was to be, and its process has lines in its spool."""
        wait_for(
            lambda: not self._thread.is_alive() or (not self._to_kill.is_set() and self._has_printed()),
            f"{self._name} has lines in its spool",
        )

    def _run(self) -> None:
        while not self._live():
            pass

    def _live(self) -> bool:
        """Run a process; False if it was killed, so that it is to be started again."""
        life = Life(next(self._given.connections))
        with self._printed.open("wb") as printed, self._said.open("ab") as said:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=printed, stderr=said, bufsize=0
            )
        self.lives.append(life)
        with self._process:
            was_killed = self._feed(life)
            code = self._wait()
        life.spooled = self._printed.stat().st_size // self._given.layout.line_size
        if was_killed and code == KILLED:
            return False
        if code:
            self.faults.append(f"{self._name} exited with {code}: {self._last_words()}")
        return True

    def _feed(self, life: Life) -> bool:
        """Feed it until the end, or until it was to be killed and is; True for that."""
        assert self._process is not None
        assert self._process.stdin is not None
        line, rate = self._given.layout.format_line, self._given.rate
        start = time.monotonic()
        try:
            while not self._ended.wait(PAUSE):
                due = round((time.monotonic() - start) * rate)
                upto = min(due, life.fed + round(LATE * rate))
                lines = b"".join(line(life.connection, n) for n in range(life.fed, upto))
                life.fed = upto  # before the write: it may be read in part
                os.write(self._process.stdin.fileno(), lines)
                if self._to_kill.is_set() and self._has_printed():
                    time.sleep(random.random() * AMID)  # noqa: S311 (no secret)
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
            return self._process.wait(DRAIN)
        except subprocess.TimeoutExpired:
            self.faults.append(f"{self._name} is not through {DRAIN:g} s after the end of its input")
            self._process.kill()
            return self._process.wait(PATIENCE)

    def _has_printed(self) -> bool:
        return self._printed.exists() and self._printed.stat().st_size > 0

    def _last_words(self) -> str:
        return self._said.read_text(errors="replace").strip()[-500:] or "without a word"
