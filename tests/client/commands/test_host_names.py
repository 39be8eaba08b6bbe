"""Commands that are given a host by name, while the name server does not answer."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.waiting import PATIENCE

from nodelog.commands.destinations.plain_tcp import PlainTcp
from nodelog.commands.stop_signals import handle_stop_signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

HANGING = """
import socket, sys, time
from nodelog import cli
from nodelog.commands import tail
from nodelog.commands.destinations import plain_tcp
tail.LOOKUP_SECONDS = plain_tcp.LOOKUP_SECONDS = 0.05
socket.getaddrinfo = lambda *_, **__: time.sleep(3600)
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("greet", "--to=lines", "--host=node.example"), 0),
        (("tail", "--agent=node.example:9169"), 130),
    ],
)
def test_a_lookup_that_hangs_is_reported_and_a_signal_ends_it(
    arguments: tuple[str, ...], exit_code: int
) -> None:
    command = [sys.executable, "-c", HANGING, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        message = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=PATIENCE)[1]
    assert "node.example:" in message
    assert ": the name server does not answer; trying again" in message
    assert "Traceback" not in rest
    assert process.returncode == exit_code


def test_plain_lines_go_on_once_the_name_server_answers(
    listen: Callable[[int], socket.socket], name_server: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hear(text: str) -> None:
        messages.append(text)
        name_server.set()

    messages: list[str] = []
    monkeypatch.setattr("nodelog.commands.destinations.plain_tcp.LOOKUP_SECONDS", 0.05)
    listener = listen(0)
    port = listener.getsockname()[1]
    with handle_stop_signals() as stop:
        destination = PlainTcp("localhost", port, stop, hear)
        assert destination.send(b"a line\n")
        connection, _ = listener.accept()
        closing = threading.Thread(target=destination.close)
        closing.start()
        with connection, connection.makefile("rb") as lines:
            assert lines.read() == b"a line\n"
        closing.join(PATIENCE)
    outage, end = messages
    assert outage.startswith(f"no connection to localhost:{port}: the name server does not answer; trying")
    assert end == f"connected to localhost:{port}"


def test_plain_lines_go_over_another_connection_when_the_path_is_dead(
    collector: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    check = "nodelog.commands.destinations.plain_tcp.PathCheck.silent_seconds"
    with handle_stop_signals() as stop:
        destination = PlainTcp("127.0.0.1", collector.getsockname()[1], stop, messages.append)
        assert destination.send(b"a\n")
        first, _ = collector.accept()
        with first, monkeypatch.context() as patch:
            patch.setattr(check, lambda *_: 20.0)
            assert not destination.wait(0)
        assert destination.send(b"b\n")
        second, _ = collector.accept()
        with second, second.makefile("rb") as lines:
            assert lines.readline() == b"b\n"
        destination.close()
    assert ": its host has not answered for 20 s; trying again" in messages[0]
