"""Real `nodelog` processes with binary pipes for input and output."""

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
    """Start `nodelog` with these arguments; processes still running after the test are killed."""
    with ExitStack() as stack:

        def running(*arguments: object, stdin: int = PIPE, stdout: int = PIPE) -> Popen[bytes]:
            prefixes = ("HOST_IP", "HOSTNAME", "NODELOG_")
            env = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
            command = [str(NODELOG), *map(str, arguments)]
            # Unbuffered, so that communicate() finds what readline() left.
            process = Popen(command, bufsize=0, stdin=stdin, stdout=stdout, stderr=PIPE, env=env)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield running


@pytest.fixture
def unused_port() -> Generator[int]:
    """Reserve a port where a collector can be started later, and nothing else can."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]
