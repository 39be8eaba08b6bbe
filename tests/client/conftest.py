"""Real `nodelog` processes, and sockets that take the place of a collector."""

import os
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from tests.waiting import wait_for

NODELOG = Path(sys.executable).parent / "nodelog"
PATIENCE = 30
"""Seconds after which a test that waits for a peer fails."""


@pytest.fixture
def start() -> Generator[Callable[..., Popen[str]]]:
    """Return a function that starts `nodelog` with arguments and variables; kill it after the test."""
    with ExitStack() as stack:

        def run(*arguments: str, **variables: str) -> Popen[str]:
            read = ("HOST_IP", "HOSTNAME", "NODELOG_")  # prefixes of the variables that nodelog reads
            env = {key: value for key, value in os.environ.items() if not key.startswith(read)} | variables
            process = Popen([NODELOG, *arguments], stdout=PIPE, stderr=PIPE, env=env, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
def listen() -> Generator[Callable[[int], socket.socket]]:
    """Return a function that listens on a port, as a collector does."""
    with ExitStack() as stack:

        def listen_on(port: int) -> socket.socket:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
            listener.settimeout(PATIENCE)
            return listener

        yield listen_on


@pytest.fixture
def collector(listen: Callable[[int], socket.socket]) -> socket.socket:
    """Listen on a free port."""
    return listen(0)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event]:
    """Return what makes the name server answer: until it is set, lookups hang."""
    answers = threading.Event()
    ask = socket.getaddrinfo

    def hang(host: str, port: int, **_: object) -> object:
        answers.wait()
        return ask(host, port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield answers
    answers.set()
    wait_for(lambda: "nodelog-lookup" not in [thread.name for thread in threading.enumerate()])
