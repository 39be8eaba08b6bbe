"""`nodelog spool`: list, export and discard, with real processes."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from nodelog.spool.file_spool import FileSpool
from nodelog.spool.inspection import inspect_spool

Run = Callable[..., Popen[bytes]]
LINES = b"first\nlast \xff\x1b[2J\r\n" + b"x" * 100_000 + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Create a spool with three lines in two blocks set aside, and one that waits."""
    path = tmp_path / "spool"
    spool = FileSpool(path)
    for lines in (LINES.split(b"\n")[:2], LINES.split(b"\n")[2:3]):
        spool.append(lines)
        spool.set_aside(spool.stream, "it \x1b[2J hung up")
    spool.append([b"it waits"])
    spool.close()
    return path


def run_spool(run: Run, *arguments: object, stdin: int = DEVNULL) -> tuple[int, bytes, str]:
    process = run("spool", *arguments, stdin=stdin)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err.decode()


def test_the_list_shows_each_block_escaped(run: Run, path: Path) -> None:
    code, out, err = run_spool(run, "list", path)
    head, first, second = out.decode().splitlines()
    assert (code, err) == (0, "")
    assert head == f"{path}: 2 blocks (3 lines, 100,019 bytes) set aside"
    assert first.startswith("  1  20")
    assert first.endswith(" UTC  2 lines, 18 bytes: it \\x1b[2J hung up")
    assert second.endswith(" UTC  1 lines, 100,001 bytes: it \\x1b[2J hung up")


def test_the_list_is_shown_while_a_process_uses_the_spool(run: Run, path: Path) -> None:
    spool = FileSpool(path)
    code, out, _ = run_spool(run, "list", "--json", path)
    spool.close()
    found = json.loads(out)
    assert (code, found["lines"], found["bytes"], len(found["blocks"])) == (0, 3, 100_019, 2)
    assert found["holder"].startswith(f"process {os.getpid()} on ")
    keys = ["row", "at", "why", "stream", "block", "lines", "size", "exported"]
    assert list(found["blocks"][0]) == keys


def test_an_export_writes_the_lines_as_they_were_and_only_once(run: Run, path: Path) -> None:
    done = f"nodelog spool: {path}: 2 blocks (3 lines, 100,019 bytes) exported\n"
    assert run_spool(run, "export", path) == (0, LINES, done)
    code, out, err = run_spool(run, "export", path)
    assert (code, out) == (0, b"")
    assert err.endswith("all that is set aside was exported before; --again exports it again\n")
    assert run_spool(run, "export", "--again", path) == (0, LINES, done)
    assert sum(stream.lines for stream in inspect_spool(path).streams) == 1


def test_an_export_to_a_file_is_described_in_json(run: Run, path: Path, tmp_path: Path) -> None:
    to = tmp_path / "aside.log"
    code, out, err = run_spool(run, "export", "--json", "--to", to, path)
    assert (code, err) == (0, "")
    assert (json.loads(out)["done"], json.loads(out)["lines"]) == ("exported", 3)
    assert to.read_bytes() == LINES
    assert to.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_does_not_count_as_exported(run: Run, path: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"mine")
    code, _, err = run_spool(run, "export", "--to", there, path)
    assert (code, there.read_bytes()) == (2, b"mine")
    assert err == f"nodelog spool: cannot write {there}: File exists; nothing counts as exported\n"
    with Path("/dev/full").open("wb") as full:
        process = run("spool", "export", path, stdout=full.fileno())
        _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert error == b"nodelog spool: cannot write to standard output: No space left on device\n"
    assert run_spool(run, "export", path)[1] == LINES


def test_json_on_the_lines_own_output_is_refused(run: Run, path: Path) -> None:
    code, out, err = run_spool(run, "export", "--json", path)
    assert (code, out, err.count("\n")) == (2, b"", 1)


def test_a_discard_needs_yes_or_a_terminal(run: Run, path: Path) -> None:
    code, _, err = run_spool(run, "discard", path)
    assert (code, err) == (
        2,
        "nodelog spool: nothing was discarded: without a terminal to ask on, it needs --yes\n",
    )
    assert len(inspect_spool(path).aside) == 2
    done = f"nodelog spool: {path}: 2 blocks (3 lines, 100,019 bytes) discarded\n"
    assert run_spool(run, "discard", "--yes", path) == (0, b"", done)
    assert inspect_spool(path).aside == []
    assert run_spool(run, "discard", path)[0] == 0  # there is nothing to ask about
    assert sum(stream.lines for stream in inspect_spool(path).streams) == 1


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 0), (b"\n", 1, 2), (b"no\n", 1, 2)])
def test_at_a_terminal_it_asks(run: Run, path: Path, answer: bytes, code: int, left: int) -> None:
    ours, terminal = os.openpty()
    os.write(ours, answer)
    found, _, err = run_spool(run, "discard", path, stdin=terminal)
    os.close(ours)
    os.close(terminal)
    assert (found, len(inspect_spool(path).aside)) == (code, left)
    question = "Discard 2 blocks (3 lines, 100,019 bytes) set aside in"
    assert err.startswith(f"{question} {path}; 2 blocks (3 lines, 100,019 bytes) were never exported? [y/N] ")


def test_only_what_was_exported_is_discarded_if_asked_for(run: Run, path: Path) -> None:
    assert run_spool(run, "discard", "--exported", "--yes", path)[0] == 0
    assert len(inspect_spool(path).aside) == 2
    run_spool(run, "export", path)
    spool = FileSpool(path)
    spool.append([b"later"])
    spool.set_aside(spool.stream, "why")
    spool.close()
    code, out, _ = run_spool(run, "discard", "--exported", "--yes", "--json", path)
    assert (code, json.loads(out)["lines"]) == (0, 3)
    assert [block.exported for block in inspect_spool(path).aside] == [False]


@pytest.mark.parametrize("action", [("export",), ("discard", "--yes")])
def test_a_running_owner_is_named_and_its_spool_left_alone(
    run: Run, path: Path, action: tuple[str, ...]
) -> None:
    spool = FileSpool(path)
    code, out, err = run_spool(run, *action, path)
    spool.append([b"the owner goes on"])
    spool.close()
    assert (code, out, err.count("\n")) == (2, b"", 1)
    assert f"{path} is in use by process {os.getpid()} on " in err
    assert [block.exported for block in inspect_spool(path).aside] == [False, False]


@pytest.mark.parametrize("action", ["list", "export", "discard"])
def test_what_is_not_a_spool_is_one_line(run: Run, tmp_path: Path, action: str) -> None:
    code, out, err = run_spool(run, action, tmp_path / "none")
    assert (code, out) == (2, b"")
    assert err == f"nodelog spool: cannot read spool {tmp_path / 'none'}: No such file or directory\n"


def test_an_export_that_is_killed_does_not_count_and_leaves_no_lock(run: Run, path: Path) -> None:
    reader, writer = os.pipe()
    process = run("spool", "export", path, stdout=writer)
    os.close(writer)
    assert os.read(reader, 10) == LINES[:10]  # it waits for us: the pipe holds 64 KiB
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    os.close(reader)
    assert run_spool(run, "export", path)[1] == LINES


def test_a_reader_that_leaves_does_not_have_the_lines(run: Run, path: Path) -> None:
    reader, writer = os.pipe()
    process = run("spool", "export", path, stdout=writer)
    os.close(writer)
    os.close(reader)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")
    assert run_spool(run, "export", path)[1] == LINES
