"""A real `logd` process on free ports: the fixture `logd`."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from tests.ports import held_port, port_of
from tests.processes.daemon import Daemon, port_in
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

LOGD = Path(sys.executable).parent / "logd"


class Logd(Daemon):
    """A `logd` process, its log and its ports."""

    def __init__(self, log: Path, options: Sequence[str], env: dict[str, str], prefix: Sequence[str]) -> None:
        """Start it and wait until it listens; `prefix` is a program that executes it."""
        self.log = log
        self._listen = held_port()
        self.port = port_of(self._listen)
        self._options = options
        super().__init__(env, prefix)

    def close(self) -> None:
        """Kill it and release its ports."""
        super().close()
        self._listen.close()

    def command(self) -> list[str]:
        """Return a command line with the same ports as before."""
        ports = (f"--listen=127.0.0.1:{self.port}", f"--http=127.0.0.1:{self.http_port}")
        return [str(LOGD), f"--log={self.log}", "--keep-free=off", *ports, *self._options]

    def note_ports(self, record: dict[str, Any]) -> None:
        """Take the ports from the record that says where it listens."""
        super().note_ports(record)
        self.port = port_in(record["listen"][0])

    def connect(self) -> socket.socket:
        """Connect as a client."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, data: bytes) -> None:
        """Send lines on a new connection; return once logd has read them and closed it."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""

    def text(self) -> str:
        """Return the content of the log."""
        return self.log.read_text(errors="surrogateescape")

    def wait_for_text(self, text: str) -> None:
        """Return once the log contains this text."""
        wait_for(lambda: text in self.text(), f"{text!r} is in the log")


class StartLogd(Protocol):
    """The type of the fixture `logd`."""

    def __call__(
        self,
        *options: str,
        log: Path | None = None,
        ready: bool = True,
        prefix: Sequence[str] = (),
        **variables: str,
    ) -> Logd:
        """Start a logd with these options and variables; with `ready`, wait until it is ready."""


@pytest.fixture
def logd(tmp_path: Path) -> Generator[StartLogd]:
    """Return a function that starts logd on free ports; after the test, those still running are killed."""
    with ExitStack() as stack:

        def start(
            *options: str,
            log: Path | None = None,
            ready: bool = True,
            prefix: Sequence[str] = (),
            **variables: str,
        ) -> Logd:
            env = {name: value for name, value in os.environ.items() if not name.startswith("LOGD_")}
            started = Logd(log or tmp_path / "node_log", options, env | variables, prefix)
            stack.callback(started.close)
            if ready:
                started.wait_ready()
            return started

        yield start
