"""Real `nodelog` processes, and a collector that does what a test wants it to do."""

import os
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

NODELOG = Path(sys.executable).parent / "nodelog"
PATIENCE = 30
"""Seconds after which a test that waits for a peer fails."""


@pytest.fixture
def start() -> Generator[Callable[..., Popen[str]]]:
    """Start `nodelog` with these arguments and variables; whatever still runs after the test is killed."""
    with ExitStack() as stack:

        def run(*arguments: str, **variables: str) -> Popen[str]:
            ours = ("HOST_IP", "HOSTNAME", "NODELOG_")
            env = {key: value for key, value in os.environ.items() if not key.startswith(ours)} | variables
            process = Popen([NODELOG, *arguments], stdout=PIPE, stderr=PIPE, env=env, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
def listen() -> Generator[Callable[[int], socket.socket]]:
    """Listen at a port, as a collector does."""
    with ExitStack() as stack:

        def listening(port: int) -> socket.socket:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
            listener.settimeout(PATIENCE)
            return listener

        yield listening


@pytest.fixture
def collector(listen: Callable[[int], socket.socket]) -> socket.socket:
    """Listen at a free port."""
    return listen(0)
