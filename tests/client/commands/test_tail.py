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

from nodelog.commands.tail import EventPrinter, RefusedError, line_bytes, parse_events

Run = Callable[..., Popen[bytes]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
LINES = b'event: lines\ndata: ["a", "\\u001b[2J\\udcff"]\n\n'


class Agent:
    """Answers each connection with the next of these, and closes it."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[str] = []
        self._answers: Iterator[bytes] = iter(answers)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._server.close()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65536).decode())
                connection.sendall(answer)


@contextmanager
def answering(*answers: bytes) -> Generator[Agent]:
    agent = Agent(*answers)
    try:
        yield agent
    finally:
        agent.close()


def test_it_asks_with_the_token_and_passes_lines_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with answering(HEAD + LINES, b"HTTP/1.1 401 Unauthorized\r\n\r\nthe token is \x1bwrong\n") as agent:
        given = ("--agent", agent.place, "--token-file", tmp_path / "token", "--filter", "é &", "--lines", 3)
        out, err = (process := run("tail", *given)).communicate(timeout=30)
    assert out == b"a\n\x1b[2J\xff\n"
    assert process.returncode == 1
    assert err.decode().splitlines() == [
        f"nodelog tail: no answer from the agent at {agent.place}: it hung up; trying again",
        f"nodelog tail: the agent at {agent.place} refuses: 401 the token is \\x1bwrong",
    ]
    assert agent.requests[0].startswith("GET /tail?lines=3&filter=%C3%A9+%26 HTTP/1.1\r\n")
    assert "\r\nAuthorization: Bearer s3cret\r\n" in agent.requests[0]
    assert "lines=0" in agent.requests[1]  # what was shown is not shown again


def test_on_a_terminal_no_line_steers_it(run: Run) -> None:
    with answering(HEAD + LINES, b"HTTP/1.1 503 No\r\n\r\n") as agent:
        ours, theirs = pty.openpty()
        process = run("tail", "--agent", agent.place, stdout=theirs)
        assert process.wait(30) == 1
        os.close(theirs)
        assert os.read(ours, 1000) == b"a\r\n\\x1b[2J\\xff\r\n"
        os.close(ours)


def test_what_was_skipped_is_told(run: Run) -> None:
    answer = b'event: skipped\ndata: {"bytes": 12345}\n\nevent: truncated\ndata: {}\n\n'
    failed = b'event: failed\ndata: {"why": "no disk"}\n\n'
    with answering(HEAD + answer + b'event: new\ndata: "kind"\n\n:\n\n' + failed) as agent:
        out, err = (process := run("tail", "--agent", agent.place)).communicate(timeout=30)
    assert (process.returncode, out) == (1, b"")
    assert err.decode().splitlines() == [
        "nodelog tail: 12,345 bytes skipped: they came faster than they were read",
        "nodelog tail: the log was truncated; going on at its beginning",
        "nodelog tail: no disk",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--token-file", "/no/such"), "cannot read /no/such: No such file or directory; see --token-file"),
        (("--agent", "7"), "argument --agent: '7' is not HOST:PORT or [IPV6]:PORT"),
        (("--lines", "1001"), "argument --lines: '1001' is not a number of lines, 0 to 1000"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(run: Run, arguments: tuple[str, ...], said: str) -> None:
    _, err = (process := run("tail", *arguments)).communicate(timeout=30)
    assert process.returncode == 2
    assert err.decode().startswith(f"nodelog tail: {said}")
    assert err.count(b"\n") == 1


@pytest.mark.parametrize("token", ["two\nlines", "schlüssel"])
def test_a_token_that_fits_in_no_header_is_one_line_and_exit_2(run: Run, tmp_path: Path, token: str) -> None:
    (path := tmp_path / "token").write_text(token, encoding="utf-8")
    _, err = (process := run("tail", "--token-file", path)).communicate(timeout=30)
    assert process.returncode == 2
    said = f"nodelog tail: {path} holds no token: one line of printable ASCII; see --token-file\n"
    assert err.decode() == said


def test_a_reader_who_leaves_ends_it(run: Run) -> None:
    with answering(HEAD + LINES * 50_000) as agent:
        process = run("tail", "--agent", agent.place)
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) == 1


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(RefusedError, match="not an event of an agent: data: <html>"):
        list(parse_events(io.BytesIO(b"event: lines\ndata: <html>\n")))


@given(st.binary())
def test_each_byte_of_a_line_arrives(line: bytes) -> None:
    assert line_bytes(line.decode(errors="surrogateescape")) == line


@given(st.text(st.characters()) | st.sampled_from(["\ud800", "\t"]))
def test_no_character_steers_a_terminal(line: str) -> None:
    output = io.BytesIO()
    EventPrinter(output.write, is_terminal=True).show("lines", [line])
    shown = output.getvalue().decode().replace("\t", "")
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()


@pytest.mark.parametrize("data", [None, {}, {"bytes": "x"}, 7])
def test_data_of_another_kind_is_passed_over(data: Any) -> None:  # noqa: ANN401 (JSON)
    output = io.BytesIO()
    for event in ("skipped", "failed", "new"):
        EventPrinter(output.write, is_terminal=False).show(event, data)
    assert output.getvalue() == b""
