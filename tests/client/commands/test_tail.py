import io
import os
import pty
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelog.commands.stdio.terminal_escaping import text_bytes
from nodelog.commands.tail import EventPrinter, RefusedError, parse_events

Run = Callable[..., Popen[bytes]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
LINES = b'event: lines\ndata: ["a", "\\u001b[2J\\udcff"]\n\n'


class Agent:
    """An agent that sends each connection the next of these responses, and closes it."""

    def __init__(self, *responses: bytes) -> None:
        self.requests: list[str] = []
        self._responses: Iterator[bytes] = iter(responses)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._server.close()

    def _serve(self) -> None:
        for response in self._responses:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65536).decode())
                connection.sendall(response)


@contextmanager
def serving(*responses: bytes) -> Generator[Agent]:
    agent = Agent(*responses)
    try:
        yield agent
    finally:
        agent.close()


def test_lines_are_printed_and_a_refusal_ends_it(run: Run) -> None:
    with serving(HEAD + LINES, b"HTTP/1.1 401 Unauthorized\r\n\r\nthe token is \x1bwrong\n") as agent:
        options = ("--agent", agent.address, "--filter", "é &", "--lines", 3)
        out, err = (process := run("tail", *options)).communicate(timeout=30)
    assert out == b"a\n\x1b[2J\xff\n"
    assert process.returncode == 1
    assert err.decode().splitlines() == [
        f"nodelog tail: no answer from the agent at {agent.address}: it hung up; trying again",
        f"nodelog tail: the agent at {agent.address} refuses: 401 the token is \\x1bwrong",
    ]
    assert agent.requests[0].startswith("GET /tail?lines=3&filter=%C3%A9+%26 HTTP/1.1\r\n")
    assert "lines=0" in agent.requests[1]  # what was shown is not shown again


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + LINES,
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Nodelog nonce 00\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_cannot_prove_that_it_has_the_token_does_not_get_it(
    run: Run, tmp_path: Path, answer: bytes
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with serving(answer) as agent:
        process = run("tail", "--agent", agent.address, "--token-file", tmp_path / "token")
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, b"")
    assert f"what listens at {agent.address} does not have the token" in err.decode()
    assert len(agent.requests) == 1
    assert "s3cret" not in agent.requests[0]


def test_lines_are_escaped_on_a_terminal(run: Run) -> None:
    with serving(HEAD + LINES, b"HTTP/1.1 503 No\r\n\r\n") as agent:
        reader, terminal = pty.openpty()
        process = run("tail", "--agent", agent.address, stdout=terminal)
        assert process.wait(30) == 1
        os.close(terminal)
        assert os.read(reader, 1000) == b"a\r\n\\x1b[2J\\xff\r\n"
        os.close(reader)


def test_skipped_bytes_and_truncations_are_reported(run: Run) -> None:
    events = b'event: skipped\ndata: {"bytes": 12345}\n\nevent: truncated\ndata: {}\n\n'
    failed = b'event: failed\ndata: {"why": "no disk"}\n\n'
    with serving(HEAD + events + b'event: new\ndata: "kind"\n\n:\n\n' + failed) as agent:
        out, err = (process := run("tail", "--agent", agent.address)).communicate(timeout=30)
    assert (process.returncode, out) == (1, b"")
    assert err.decode().splitlines() == [
        "nodelog tail: 12,345 bytes skipped: they came faster than they were read",
        "nodelog tail: the log was truncated; continuing at its beginning",
        "nodelog tail: no disk",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--token-file", "/no/such"), "cannot read /no/such: No such file or directory; see --token-file"),
        (("--agent", "7"), "argument --agent: '7' is not HOST:PORT or [IPV6]:PORT"),
        (("--lines", "1001"), "argument --lines: '1001' is not a number of lines, 0 to 1000"),
    ],
)
def test_an_invalid_option_is_one_line_and_exit_code_2(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    _, err = (process := run("tail", *arguments)).communicate(timeout=30)
    assert process.returncode == 2
    assert err.decode().startswith(f"nodelog tail: {message}")
    assert err.count(b"\n") == 1


@pytest.mark.parametrize("token", ["two\nlines", "schlüssel"])
def test_a_token_that_does_not_fit_into_a_header_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, token: str
) -> None:
    (path := tmp_path / "token").write_text(token, encoding="utf-8")
    _, err = (process := run("tail", "--token-file", path)).communicate(timeout=30)
    assert process.returncode == 2
    message = f"nodelog tail: {path} contains no token: one line of printable ASCII; see --token-file\n"
    assert err.decode() == message


def test_a_reader_that_leaves_ends_it(run: Run) -> None:
    with serving(HEAD + LINES * 50_000) as agent:
        process = run("tail", "--agent", agent.address)
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) == 1


def test_an_invalid_event_is_refused() -> None:
    with pytest.raises(RefusedError, match="not an event of an agent: data: <html>"):
        list(parse_events(io.BytesIO(b"event: lines\ndata: <html>\n")))


@given(st.binary())
def test_every_byte_of_a_line_survives(line: bytes) -> None:
    assert text_bytes(line.decode(errors="surrogateescape")) == line


@given(st.text(st.characters()) | st.sampled_from(["\ud800", "\t"]))
def test_no_character_can_control_a_terminal(line: str) -> None:
    output = io.BytesIO()
    EventPrinter(output.write, is_terminal=True).show("lines", [line])
    shown = output.getvalue().decode().replace("\t", "")
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()


@pytest.mark.parametrize("data", [None, {}, {"bytes": "x"}, 7])
def test_events_with_unexpected_data_are_ignored(data: Any) -> None:  # noqa: ANN401 (JSON)
    output = io.BytesIO()
    for event in ("skipped", "failed", "new"):
        EventPrinter(output.write, is_terminal=False).show(event, data)
    assert output.getvalue() == b""


def test_endless_json_is_refused() -> None:
    with pytest.raises(RefusedError, match="not an event of an agent"):
        list(parse_events(io.BytesIO(b"data: " + b"[" * 100_000 + b"\n")))
