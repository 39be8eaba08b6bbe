"""The daemon's own log: its two forms, and that nothing about stderr can hold a daemon up or end it."""

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
    """A handler that writes into a pipe, which is read when the test says so."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.handler = StderrHandler(self.writing)
        self.handler.setFormatter(logging.Formatter("%(message)s"))

    def log(self, message: str, *args: object) -> None:
        """Log one record."""
        self.handler.handle(record(message, *args))

    def read(self) -> list[str]:
        """Return the lines that are in the pipe."""
        os.set_blocking(self.reading, False)
        return os.read(self.reading, 1 << 20).decode().splitlines()

    def close(self) -> None:
        """Close what is still open."""
        for fd in (self.reading, self.writing):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipe() -> Generator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def program(text: str, stderr: int, *, redirected: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run a program that logs, in a process of its own."""
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


def test_plain_is_for_people() -> None:
    line = PlainFormatter("logd").format(
        record("cannot write %s", "node_log", level=logging.WARNING, retry=1)
    )
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z logd warning: cannot write node_log retry=1", line
    )


def test_the_time_is_that_of_the_record_in_utc() -> None:
    old = record("x")
    old.created = 1795438800.0017
    assert PlainFormatter("logd").format(old).startswith("2026-11-23T13:00:00.001Z ")


@given(st.text(), st.text())
@pytest.mark.parametrize("form", [PlainFormatter, JsonLineFormatter])
def test_whatever_peers_send_a_record_is_one_printable_line(
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


def test_setup_writes_json_where_no_terminal_is() -> None:
    done = program("logging.getLogger('a').info('one'); logging.getLogger('a').debug('two')", subprocess.PIPE)
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["message"] == "one"


def test_setup_writes_plain_lines_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        program("logging.warning('one')", theirs)
        assert b" logd warning: one\r\n" in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)


def test_warnings_of_libraries_are_records_too() -> None:
    done = program("import warnings; warnings.warn('old')", subprocess.PIPE)
    assert "old" in json.loads(done.stderr)["message"]


def test_with_stderr_closed_nothing_is_written_into_the_next_file(tmp_path: Path) -> None:
    file = tmp_path / "node_log"
    text = f"f = open({str(file)!r}, 'w'); logging.error('astray'); f.write(str(f.fileno())); f.close()"
    done = program(text, subprocess.PIPE, redirected="2>&- <&-")
    assert done.returncode == 0
    assert int(file.read_text()) > 2


def test_a_stderr_that_nobody_reads_any_more_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = program("[logging.error('x') for _ in range(9)]; print('alive')", writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_arguments_that_do_not_fit_are_a_line_that_says_where(pipe: Pipe) -> None:
    pipe.log("%d lines", "many")
    pipe.log("next")
    wrong, following = pipe.read()
    assert wrong.startswith("cannot format a log record of test_logging_setup.py:1: ")
    assert following == "next"


def test_a_full_pipe_holds_nobody_up_and_the_loss_is_announced(pipe: Pipe) -> None:
    for _ in range(1000):
        pipe.log("x" * 1000)  # for good, if it held us up: nobody reads
    kept = pipe.read()
    assert set(kept) == {"x" * 1000}
    pipe.log("next")
    assert pipe.read() == [f"{1000 - len(kept)} log records were dropped: stderr was not read", "next"]


def test_a_long_record_is_whole_when_there_is_room(pipe: Pipe) -> None:
    pipe.log("x" * 30000)
    assert pipe.read() == ["x" * 30000]


def test_a_long_record_that_is_broken_off_does_not_swallow_the_next(pipe: Pipe) -> None:
    pipe.log("x" * 200_000)
    (torn,) = pipe.read()
    assert set(torn) == {"x"}
    pipe.log("next")
    assert pipe.read() == ["", "1 log records were dropped: stderr was not read", "next"]


def test_a_pipe_that_somebody_made_non_blocking_is_the_same(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    test_a_full_pipe_holds_nobody_up_and_the_loss_is_announced(pipe)


def test_a_descriptor_that_is_closed_meanwhile_is_ignored(pipe: Pipe) -> None:
    os.close(pipe.writing)
    pipe.writing = -1
    pipe.log("nowhere")
