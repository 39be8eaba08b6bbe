import io
import os
import pty
import sys
from pathlib import Path

import pytest

from nodelog.commands.stdio.stdout import OutputError, is_terminal, write, write_line


def test_a_name_that_is_no_text_is_printed_as_the_bytes_that_it_has(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    write_line("name \udcff")
    assert capfdbinary.readouterr().out == b"name \xff\n"


def test_a_full_disk_is_named_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(full))
        with pytest.raises(OutputError, match="cannot write to standard output: No space left on device"):
            write(b"line\n")
        out.detach()


def test_a_reader_who_left_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(pipe))
        with pytest.raises(BrokenPipeError):
            write(b"line\n")
        out.detach()


def test_what_nobody_wants_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    write(b"line\n")
    assert not is_terminal()


def test_a_terminal_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    person, program = pty.openpty()
    with os.fdopen(person, "rb"), os.fdopen(program, "wb", buffering=0) as terminal:
        monkeypatch.setattr(sys, "stdout", out := io.TextIOWrapper(terminal))
        assert is_terminal()
        out.detach()
