"""The daemon's own log: its two formats, and that stderr can neither block nor end a daemon."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodelogd.service.logging_setup import JsonLineFormatter, PlainFormatter, StderrHandler

LOG = logging.getLogger("nodelogd.test")


def record(message: str, *args: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    return LOG.makeRecord(LOG.name, level, __file__, 1, message, args, None, extra=extra)


class Pipe:
    """A handler that writes into a pipe, which is read only on request."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.handler = StderrHandler(self.writing)
        self.handler.setFormatter(logging.Formatter("%(message)s"))

    def log(self, message: str, *args: object) -> None:
        """Log a record."""
        self.handler.handle(record(message, *args))

    def read(self) -> list[str]:
        """Return the lines in the pipe."""
        os.set_blocking(self.reading, False)
        return os.read(self.reading, 1 << 20).decode().splitlines()

    def close(self) -> None:
        """Close the descriptors that are still open."""
        for fd in (self.reading, self.writing):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipe() -> Generator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def program(text: str, stderr: int, *, redirected: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run a program that logs, in another process."""
    code = f"import logging; from nodelogd.service.logging_setup import setup; setup('logd', 'info'); {text}"
    command = [sys.executable, "-c", code]
    if redirected:
        command = ["sh", "-c", f'exec "$0" "$@" {redirected}', *command]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, timeout=30, check=False)


def test_json_has_time_level_program_logger_message_and_extra() -> None:
    line = JsonLineFormatter("logd").format(
        record("cannot write %s", "node_log", level=logging.WARNING, retry=1)
    )
    fields = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("time"))
    assert fields == {
        "level": "warning",
        "logger": "nodelogd.test",
        "message": "cannot write node_log",
        "program": "logd",
        "retry": 1,
    }


def test_plain_lines_have_time_program_level_message_and_extra() -> None:
    line = PlainFormatter("logd").format(
        record("cannot write %s", "node_log", level=logging.WARNING, retry=1)
    )
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z logd warning: cannot write node_log retry=1", line
    )


def test_the_time_is_the_time_of_the_record_in_utc() -> None:
    old = record("x")
    old.created = 1795438800.0017
    assert PlainFormatter("logd").format(old).startswith("2026-11-23T13:00:00.001Z ")


@given(st.text(), st.text())
@pytest.mark.parametrize("form", [PlainFormatter, JsonLineFormatter])
def test_a_record_is_one_printable_line_whatever_peers_send(
    form: type[PlainFormatter] | type[JsonLineFormatter], text: str, field: str
) -> None:
    assert form("logd").format(record("%s", text, peer=field)).isprintable()


@pytest.mark.parametrize("form", [PlainFormatter, JsonLineFormatter])
def test_a_traceback_is_in_the_same_line(form: type[PlainFormatter] | type[JsonLineFormatter]) -> None:
    failed = record("failed")
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    failed.exc_info = (caught.type, caught.value, caught.tb)
    line = form("logd").format(failed)
    assert "Traceback" in line
    assert "division by zero" in line
    assert "\n" not in line


def test_setup_writes_json_unless_stderr_is_a_terminal() -> None:
    done = program("logging.getLogger('a').info('one'); logging.getLogger('a').debug('two')", subprocess.PIPE)
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["message"] == "one"


def test_setup_writes_plain_lines_on_a_terminal() -> None:
    reading, terminal = pty.openpty()
    try:
        program("logging.warning('one')", terminal)
        assert b" logd warning: one\r\n" in os.read(reading, 4096)
    finally:
        os.close(reading)
        os.close(terminal)


def test_python_warnings_are_logged() -> None:
    done = program("import warnings; warnings.warn('old')", subprocess.PIPE)
    assert "old" in json.loads(done.stderr)["message"]


def test_with_stderr_closed_the_log_does_not_go_into_the_next_file(tmp_path: Path) -> None:
    file = tmp_path / "node_log"
    text = f"f = open({str(file)!r}, 'w'); logging.error('astray'); f.write(str(f.fileno())); f.close()"
    done = program(text, subprocess.PIPE, redirected="2>&- <&-")
    assert done.returncode == 0
    assert int(file.read_text()) > 2


def test_a_broken_stderr_pipe_does_not_end_the_daemon() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = program("[logging.error('x') for _ in range(9)]; print('alive')", writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_wrong_arguments_are_logged_with_their_source_line(pipe: Pipe) -> None:
    pipe.log("%d lines", "many")
    pipe.log("next")
    error, following = pipe.read()
    assert error.startswith("cannot format a log record of test_logging_setup.py:1: ")
    assert following == "next"


def test_a_full_pipe_does_not_block_and_dropped_records_are_counted(pipe: Pipe) -> None:
    for _ in range(1000):
        pipe.log("x" * 1000)  # would hang here if it blocked: nothing reads the pipe
    kept = pipe.read()
    assert set(kept) == {"x" * 1000}
    pipe.log("next")
    assert pipe.read() == [f"{1000 - len(kept)} log records were dropped: stderr was not read", "next"]


def test_a_long_record_is_whole_when_there_is_room(pipe: Pipe) -> None:
    pipe.log("x" * 30000)
    assert pipe.read() == ["x" * 30000]


def test_a_record_that_is_cut_off_does_not_swallow_the_next(pipe: Pipe) -> None:
    pipe.log("x" * 200_000)
    (torn,) = pipe.read()
    assert set(torn) == {"x"}
    pipe.log("next")
    assert pipe.read() == ["", "1 log records were dropped: stderr was not read", "next"]


def test_a_non_blocking_pipe_behaves_the_same(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    test_a_full_pipe_does_not_block_and_dropped_records_are_counted(pipe)


def test_a_descriptor_closed_meanwhile_is_ignored(pipe: Pipe) -> None:
    os.close(pipe.writing)
    pipe.writing = -1
    pipe.log("nowhere")
