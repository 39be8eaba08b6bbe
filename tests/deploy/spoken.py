"""A program that runs beside a test and says JSON on stderr: nodeagent, logcd, Prometheus."""

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


class Spoken:
    """One process and what it has said."""

    def __init__(self, command: Sequence[str | Path], **variables: str) -> None:
        """Start it, with no other environment than these variables."""
        self.said: list[str] = []
        self._name = str(command[0])
        self._news = threading.Condition()
        self._is_silent = False
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

    def wait_for(self, is_it: Callable[[Record], object]) -> Record:
        """Give the first record like this, once it is there."""
        with self._news:
            self._news.wait_for(lambda: self._is_silent or any(map(is_it, self._records())), PATIENCE)
            for record in filter(is_it, self._records()):
                return record
        pytest.fail(f"{self._name} did not say it; it said: {self.said}")

    def stop(self) -> int:
        """End it by SIGTERM; give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Leave nothing running."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _records(self) -> list[Record]:
        return [json.loads(line) for line in self.said if line.startswith("{")]

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self._news:
                    self.said.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._is_silent = True
            self._news.notify_all()
