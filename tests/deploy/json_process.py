"""A program that runs beside a test and logs JSON on stderr: nodeagent, logcd, Prometheus."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Record = dict[str, Any]


class JsonProcess:
    """One process and the lines it has logged."""

    def __init__(self, command: Sequence[str | Path], **variables: str) -> None:
        """Start it with these environment variables and no others."""
        self.lines: list[str] = []
        self._name = str(command[0])
        self._changed = threading.Condition()
        self._is_at_end = False
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=variables,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, matches: Callable[[Record], object]) -> Record:
        """Wait for a record that matches, and return the first one."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_at_end or any(map(matches, self._records())), PATIENCE)
            for record in filter(matches, self._records()):
                return record
        pytest.fail(f"{self._name} has not logged it; it logged: {self.lines}")

    def stop(self) -> int:
        """Stop it by SIGTERM and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Kill it if it still runs."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _records(self) -> list[Record]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._is_at_end = True
            self._changed.notify_all()
