"""Real `nodelog` processes whose input and output are bytes in real pipes."""

import os
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

NODELOG = Path(sys.executable).parent / "nodelog"


@pytest.fixture
def run() -> Generator[Callable[..., Popen[bytes]]]:
    """Start `nodelog` with these arguments; whatever still runs after the test is killed."""
    with ExitStack() as stack:

        def running(*arguments: object, stdin: int = PIPE, stdout: int = PIPE) -> Popen[bytes]:
            ours = ("HOST_IP", "HOSTNAME", "NODELOG_")
            env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
            command = [str(NODELOG), *map(str, arguments)]
            # Unbuffered, so that communicate() finds what readline() has left.
            process = Popen(command, bufsize=0, stdin=stdin, stdout=stdout, stderr=PIPE, env=env)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield running


@pytest.fixture
def away() -> Generator[int]:
    """Give the port of a collector that is not there: it can be started at it, and nobody else can."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
