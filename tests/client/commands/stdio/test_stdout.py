import io
import os
import pty
import sys
from pathlib import Path

import pytest

from nodelog.commands.stdio.stdout import OutputError, is_terminal, write, write_line


def test_a_name_that_is_not_utf8_is_printed_as_its_bytes(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    write_line("name \udcff")
    assert capfdbinary.readouterr().out == b"name \xff\n"


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(full))
        with pytest.raises(OutputError, match="cannot write to standard output: No space left on device"):
            write(b"line\n")
        out.detach()


def test_a_closed_pipe_is_a_broken_pipe_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(pipe))
        with pytest.raises(BrokenPipeError):
            write(b"line\n")
        out.detach()


def test_a_closed_standard_output_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    write(b"line\n")
    assert not is_terminal()


def test_a_terminal_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, terminal_fd = pty.openpty()
    with os.fdopen(reader, "rb"), os.fdopen(terminal_fd, "wb", buffering=0) as terminal:
        monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(terminal))
        assert is_terminal()
        out.detach()
